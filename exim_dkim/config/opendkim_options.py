"""Each parameter of opendkim.conf, and of dkim-filter.conf before it, as options of ours."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from exim_dkim.config.opendkim import (
    DataSet,
    Outside,
    Parameter,
    entries,
    list_entries,
    parse_data_set,
    parse_opendkim,
)
from exim_dkim.config.opendkim_suggest import suggestion
from exim_dkim.config.opendkim_tables import SigningRule, signing_rules
from exim_dkim.config.options import DEFAULT_SIGN_HEADERS


class Imported:
    """What a configuration of OpenDKIM has come to. `options`: as they stand in a file; `notes`: what needs a look."""

    def __init__(self) -> None:
        self.options: dict[str, str] = {}
        self.rules: list[SigningRule] = []
        self.notes: list[str] = []
        self.actions: dict[str, str] = {"dnserror": "tempfail"}  # OpenDKIM's default; ours is to accept


def import_opendkim(text: str, file: str, outside: Outside) -> Imported:
    """The equivalent of a configuration file. Raises ConfigurationError for what is not in its grammar."""
    translation = _Translation(list(parse_opendkim(text, file, outside.read)), outside)
    translation.run()
    return translation.imported


class _Translation:
    """One file on its way."""

    def __init__(self, parameters: Iterable[Parameter], outside: Outside) -> None:
        self.imported = Imported()
        self.values = {parameter.key: parameter for parameter in parameters}  # the last one counts
        self.outside = outside
        self.base = self.text("basedirectory")

    def text(self, key: str) -> str:
        """The value of a parameter; empty if it is not there."""
        return self.values[key].value if key in self.values else ""

    def set(self, option: str, value: str) -> None:
        """Sets an option of ours."""
        self.imported.options[option] = value

    def note(self, parameter: Parameter, why: str) -> None:
        """Tells that something was not carried over."""
        self.imported.notes.append(f"{parameter.file}:{parameter.line}: {parameter.name}: {why}")

    def run(self) -> None:
        """Everything, in the order of the file."""
        for key, parameter in self.values.items():
            if key in _PLAIN:
                option, form = _PLAIN[key]
                self.set(option, form(parameter.value))
            elif key in _SWITCHES:
                self.set(_SWITCHES[key], "true" if parameter.boolean else "false")
            elif key in _HANDLED:
                _HANDLED[key](self, parameter)
            elif key not in _TOGETHER and key not in _NEEDLESS:
                self.note(parameter, "has no equivalent here, and is left out")
        self._sign()
        self._headers()
        self._log()
        actions = self.imported.actions
        self.set("milter_actions", " ".join(f"{cause}={action}" for cause, action in actions.items()))

    def _sign(self) -> None:
        """Domain, Selector, KeyFile; or KeyTable and SigningTable."""
        if "signingtable" in self.values and "keytable" in self.values:
            self._tables()
        else:
            for key, option in (("selector", "dkim_selector"), ("keyfile", "dkim_private_key")):
                if key in self.values:
                    self.set(option, _literal(self.text(key)))
            if "domain" in self.values:
                self.domains()
        if "c" not in self.text("mode") and "s" in (self.text("mode") or "sv"):
            self.set("dkim_timestamps", self.text("signaturettl") or "0")  # OpenDKIM always says when
        if "canonicalization" not in self.values:
            self.set("dkim_canon", "simple/simple")
            self.imported.notes.append(
                "Canonicalization is not set: OpenDKIM's default is simple, which mailers break; better relaxed/relaxed"
            )

    def _tables(self) -> None:
        signing, keys = (self.data_set(self.values[key]) for key in ("signingtable", "keytable"))
        try:
            self.imported.rules = signing_rules(signing, keys, self.outside, self.imported.notes)
        except ValueError as error:
            advice = suggestion(signing, keys)
            self.note(self.values["signingtable"], f"{error}{advice and f'. In its place, perhaps:{advice}'}")
        if "multiplesignatures" in self.values and self.values["multiplesignatures"].boolean:
            self.set("milter_multiple_signatures", "true")

    def data_set(self, parameter: Parameter) -> DataSet:
        """The data set that a parameter names."""
        return parse_data_set(parameter.value, self.base)

    def domains(self) -> None:
        """Domain: a list or a file. OpenDKIM knows patterns in a refile only, but for `*`."""
        parameter = self.values["domain"]
        data_set = self.data_set(parameter)
        if data_set.kind == "refile":
            self.set("milter_domains", data_set.rest)
            return
        self.hosts("milter_domains", parameter)
        if data_set.kind == "csl":
            patterns = [item for item in list_entries(data_set, self.outside) if "*" in item and item != "*"]
            if patterns:
                self.note(
                    parameter, f"{', '.join(patterns)}: OpenDKIM takes these for no patterns here; we do, and sign"
                )

    def hosts(self, option: str, parameter: Parameter) -> None:
        """A data set of hosts or domains: a file stays one."""
        data_set = self.data_set(parameter)
        if data_set.kind == "refile":
            self._patterns(option, parameter, data_set.rest)
        elif data_set.kind == "file":
            self.set(option, data_set.rest)
        else:
            try:
                self.set(option, " ".join(list_entries(data_set, self.outside)))
            except ValueError as error:
                self.note(parameter, f"{error}; write its entries into {option}")

    def _patterns(self, option: str, parameter: Parameter, path: str) -> None:
        """A file of hosts with wildcards: of those, `*.DOMAIN` is known here."""
        found = [key for key, _ in entries(self.outside.read(path))]
        strange = [key for key in found if "*" in key.lstrip("!").removeprefix("*.")]
        if not strange:
            self.set(option, path)
            return
        self.set(option, " ".join(key for key in found if key not in strange))
        self.note(parameter, f"{', '.join(strange)}: patterns that are not known here are left out; write networks")

    def names(self, key: str) -> list[str]:
        """The members of a data set of header fields; empty where it cannot be read."""
        if key not in self.values:
            return []
        try:
            return list_entries(self.data_set(self.values[key]), self.outside)
        except ValueError as error:
            self.note(self.values[key], str(error))
            return []

    def _headers(self) -> None:
        """SignHeaders, OmitHeaders and OversignHeaders make one list."""
        if not {"signheaders", "omitheaders", "oversignheaders"} & self.values.keys():
            return
        default = [name.lstrip("=+") for name in DEFAULT_SIGN_HEADERS.split(":")]
        wanted = _adjusted(default, self.names("signheaders"))
        omitted = {name.lower() for name in _adjusted([], self.names("omitheaders"))}
        several = [name for name in self.names("oversignheaders") if name not in ("*", "-")]
        oversigned = {name.lower() for name in several} | {"from"}
        kept = [name for name in wanted if name.lower() not in omitted or name.lower() == "from"]
        kept += [name for name in several if name.lower() not in {each.lower() for each in kept}]
        self.set("dkim_sign_headers", ":".join(f"{'+' if name.lower() in oversigned else '='}{name}" for name in kept))

    def _log(self) -> None:
        """Success is logged only when SyslogSuccess or LogResults say so."""
        told = any(self.values[key].boolean for key in ("syslogsuccess", "logresults") if key in self.values)
        self.set("milter_quiet", "false" if told else "true")


def _adjusted(default: list[str], written: list[str]) -> list[str]:
    """A list in OpenDKIM's form: names alone replace the default; `*` or a name with + or - changes it."""
    if not any(name.startswith(("+", "-", "*")) for name in written):
        return written or default
    removed = {name[1:].lower() for name in written if name.startswith("-")}
    added = [name.lstrip("+") for name in written if not name.startswith(("-", "*"))]
    return [name for name in default if name.lower() not in removed] + added


def _literal(value: str) -> str:
    """A value that an expansion gives back as it is."""
    return value.replace("\\", "\\\\").replace("$", "\\$")


def _seconds(value: str) -> str:
    return f"{value}s"


def _key_bits(value: str) -> str:
    return f"rsa={value} ed25519=250"


def _name_servers(value: str) -> str:
    return "<, " + ", ".join(item.strip() for item in value.split(","))


_PLAIN: Final[dict[str, tuple[str, Callable[[str], str]]]] = {
    "mode": ("milter_mode", str),
    "socket": ("milter_listen", str),
    "canonicalization": ("dkim_canon", lambda value: value if "/" in value else f"{value}/simple"),
    "pidfile": ("pid_file_path", str),
    "keylist": ("milter_key_list", str),
    "syslogfacility": ("syslog_facility", str),
    "syslogname": ("syslog_processname", str),
    "dnstimeout": ("dns_timeout", _seconds),
    "nameservers": ("dns_nameservers", _name_servers),
    "minimumkeybits": ("dkim_verify_min_keysizes", _key_bits),
    "clockdrift": ("dkim_verify_clock_drift", _seconds),
    "maximumsignaturestoverify": ("dkim_verify_signatures", str),
    "reportaddress": ("milter_report_from", lambda value: value.rpartition("<")[2].partition(">")[0].strip()),
    "mtacommand": ("milter_report_command", lambda value: f"{value} -t -i -f <>"),
}
_SWITCHES: Final = {
    "subdomains": "milter_subdomains",
    "quarantine": "milter_quarantine",
    "softwareheader": "milter_identification",
    "logwhy": "milter_log_why",
    "autorestart": "milter_restart",
    "requiredheaders": "milter_require_fields",
    "sendreports": "milter_reports",
    "requestreports": "dkim_request_reports",
}
_TOGETHER: Final = frozenset((
    "basedirectory", "domain", "keyfile", "keytable", "logresults", "multiplesignatures", "omitheaders",
    "oversignheaders", "selector", "signaturettl", "signheaders", "signingtable", "syslogsuccess",
))  # fmt: skip
"""Parameters that are looked at together with others."""
_NEEDLESS: Final = frozenset((
    "alwaysaddarheader", "autorestartcount", "autorestartrate", "background", "disablecryptoinit", "querycache",
    "resolverconfiguration", "temporarydirectory", "trustanchorfile",
))  # fmt: skip
"""Parameters about what is always so here, or has no need."""


def _user(translation: _Translation, parameter: Parameter) -> None:
    user, colon, group = parameter.value.partition(":")
    translation.set("user", user)
    if colon:
        translation.set("group", group)


def _umask(translation: _Translation, parameter: Parameter) -> None:
    try:
        mask = int(parameter.value, 8)
    except ValueError:
        translation.note(parameter, "is not an octal number")
        return
    translation.set("milter_socket_mode", f"{0o777 & ~mask & 0o666:04o}")


def _algorithm(translation: _Translation, parameter: Parameter) -> None:
    if parameter.value.lower() == "rsa-sha1":
        translation.note(parameter, "nobody accepts rsa-sha1 any more (RFC 8301): rsa-sha256 is used")


def _authserv_id(translation: _Translation, parameter: Parameter) -> None:
    if parameter.value != "HOSTNAME":
        translation.set("authserv_id", parameter.value)


def _syslog(translation: _Translation, parameter: Parameter) -> None:
    translation.set("log_destination", "syslog" if parameter.boolean else "stderr")


def _minimum(translation: _Translation, parameter: Parameter) -> None:
    translation.note(parameter, "is not needed: a signature must cover the whole body (dkim_verify_partial_body)")


def _popauth(translation: _Translation, parameter: Parameter) -> None:
    data_set = translation.data_set(parameter)
    if data_set.kind in ("db", "file"):
        translation.set("milter_pop_before_smtp", _literal(data_set.rest))
    else:
        translation.note(parameter, f"is a data set of kind {data_set.kind}; milter_pop_before_smtp wants a file")


def _macros(translation: _Translation, parameter: Parameter) -> None:
    found: list[str] = []
    try:
        listed = list_entries(translation.data_set(parameter), translation.outside)
    except ValueError as error:
        translation.note(parameter, str(error))
        return
    for item in listed:
        name, equals, values = item.partition("=")
        found += [f"{name}={value}" for value in values.split("|")] if equals else [name]
    translation.set("milter_macros", " ".join(found))


def _hosts(option: str) -> Callable[[_Translation, Parameter], None]:
    return lambda translation, parameter: translation.hosts(option, parameter)


_CAUSES: Final = {
    "on-default": "default",
    "on-badsignature": "badsignature",
    "on-dnserror": "dnserror",
    "on-internalerror": "internal",
    "on-keynotfound": "keynotfound",
    "on-nosignature": "nosignature",
    "on-security": "security",
    "on-signatureerror": "signatureerror",
}


def _action(translation: _Translation, parameter: Parameter) -> None:
    actions, cause = translation.imported.actions, _CAUSES[parameter.key]
    if cause == "default":
        translation.imported.actions = {"default": parameter.value, **actions}
        if "on-dnserror" not in translation.values:
            translation.imported.actions.pop("dnserror")
    else:
        actions[cause] = parameter.value


_HANDLED: Final[dict[str, Callable[[_Translation, Parameter], None]]] = {
    "userid": _user,
    "umask": _umask,
    "signaturealgorithm": _algorithm,
    "authservid": _authserv_id,
    "syslog": _syslog,
    "minimum": _minimum,
    "popdbfile": _popauth,
    "macrolist": _macros,
    "internalhosts": _hosts("milter_internal_hosts"),
    "externalignorelist": _hosts("milter_external_hosts"),
    "peerlist": _hosts("milter_peers"),
    "exemptdomains": _hosts("milter_exempt_domains"),
    "mta": _hosts("milter_daemons"),
    **dict.fromkeys(_CAUSES, _action),
}
