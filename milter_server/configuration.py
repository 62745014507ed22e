"""What one filter is to do: the `milter_` options of a configuration, read once, with the files that they name.

A filter is the main part of the file, or a profile in it. `ConfigurationError` has the place of what is wrong.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final, NamedTuple, TypeVar

from exim_dkim.authentication import Method
from exim_dkim.config.options import DEFAULT_SIGN_HEADERS
from exim_dkim.config.settings import Settings
from exim_dkim.errors import ConfigurationError
from exim_dkim.system.files import FileAccessError, read_small_file
from milter_server.actions import Action, Cause, parse_actions
from milter_server.domains import DomainList
from milter_server.hosts import HostList, file_entries, read_entries
from milter_server.keylist import KeyList
from milter_server.keys import Keys

T = TypeVar("T")

PROGRAM_METHODS: Final[Mapping[str, tuple[Method, ...]]] = {
    "sid-filter": (Method.SPF, Method.SENDERID),
    "dk-filter": (Method.DOMAINKEYS,),
    "dkim-filter": (Method.DKIM,),
}
"""What the programs of 2005 do."""

DEFAULT_METHODS: Final = (Method.SPF, Method.SENDERID, Method.DKIM)
"""What other filters do. DomainKeys, all of it rsa-sha1, is for those who ask for it."""

METHODS: Final = {method.name.lower(): method for method in Method}
"""How `milter_methods` names them: spf, senderid, domainkeys, dkim, spf_helo …"""

MAIN: Final = "milter"
"""The name of the filter that the main part of a configuration is."""

MAX_LIST_FILE: Final = 32 << 20
"""Bytes of a file of hosts, domains or rules."""

SIGNING_DOMAIN: Final = b"acl_m_signing_domain"
SIGNING_SELECTOR: Final = b"acl_m_signing_selector"
SIGNING_KEY: Final = b"acl_m_signing_key"
SIGNING_IDENTITY: Final = b"acl_m_signing_identity"
"""Variables with what milter_domains and milter_key_list say for a message."""

SIGNERS: Final = {Method.DKIM: "dkim", Method.DOMAINKEYS: "domainkeys"}
"""The methods that sign, and how the names of their options begin."""


class Configuration(NamedTuple):
    """One filter. `settings` are those of its profile; `signers`: what it signs with; `methods`: what it verifies."""

    name: str
    settings: Settings
    signers: tuple[Method, ...]
    methods: tuple[Method, ...]
    domains: DomainList | None
    key_list: KeyList | None
    keys: Keys
    internal_hosts: HostList
    external_hosts: HostList
    peers: HostList
    exempt_domains: DomainList
    daemons: frozenset[bytes]
    macros: tuple[tuple[str, bytes | None], ...]
    actions: Mapping[Cause, Action]
    reject_mode: int


def read_filter(settings: Settings, name: str, keys: Keys | None = None) -> Configuration:
    """The filter `name`. `keys`: those known from before, which stay known when the files cannot be read any more."""
    mode = settings.string("milter_mode")
    if not mode or set(mode) - set("sv"):
        raise _error(settings, "milter_mode", f"{mode!r}: write s, v or sv")
    methods = _methods(settings, name)
    signers = tuple(method for method in methods if method in SIGNERS) if "s" in mode else ()
    settings = _with_defaults(settings, name, signers)
    configuration = Configuration(
        name,
        settings,
        signers,
        methods if "v" in mode else (),
        _domains(settings, "milter_domains", settings.boolean("milter_subdomains")),
        _key_list(settings),
        keys or Keys(settings.string("key_directory")),
        _hosts(settings, "milter_internal_hosts"),
        _hosts(settings, "milter_external_hosts"),
        _hosts(settings, "milter_peers"),
        _domains(settings, "milter_exempt_domains", subdomains=False) or DomainList(()),
        frozenset(os.fsencode(item) for item in settings.string("milter_daemons").replace(",", " ").split()),
        tuple(_macro(item) for item in settings.string("milter_macros").replace(",", " ").split()),
        _checked(settings, "milter_actions", parse_actions),
        _reject_mode(settings),
    )
    _check_signing(configuration)
    return configuration


def _error(settings: Settings, option: str, text: str) -> ConfigurationError:
    return ConfigurationError(f"{option}: {text}", *settings.place(option))


def _checked(settings: Settings, option: str, parse: Callable[[str], T]) -> T:
    try:
        return parse(settings.string(option))
    except (ValueError, FileAccessError) as error:
        raise _error(settings, option, str(error)) from None


def _methods(settings: Settings, name: str) -> tuple[Method, ...]:
    option = "milter_methods"
    wanted = [item.lower().replace("-", "_") for item in settings.items(option)]
    unknown = [item for item in wanted if item not in METHODS]
    if unknown:
        raise _error(settings, option, f"{unknown[0]!r} is no method; there are: {' : '.join(METHODS)}")
    named = tuple(dict.fromkeys(METHODS[item] for item in wanted))
    return named or PROGRAM_METHODS.get(name, DEFAULT_METHODS)


def _with_defaults(settings: Settings, name: str, signers: Collection[Method]) -> Settings:
    """What milter_domains and milter_key_list find is what is signed as, unless the options say something else; and
    options of what this filter does not sign with do not count.
    """
    defaults: dict[str, bytes] = {}
    for method, prefix in SIGNERS.items():
        values = {"domain": SIGNING_DOMAIN, "selector": SIGNING_SELECTOR, "private_key": SIGNING_KEY}
        if not settings.is_set("milter_key_list"):
            values = {"domain": SIGNING_DOMAIN} if settings.is_set("milter_domains") else {}
        if method not in signers:
            defaults[f"{prefix}_domain"] = b""
            continue
        if method is Method.DKIM and settings.is_set("milter_key_list"):
            values["identity"] = SIGNING_IDENTITY
        for option, variable in values.items():
            if not settings.is_set(f"{prefix}_{option}"):
                defaults[f"{prefix}_{option}"] = b"$" + variable
    if not settings.is_set("domainkeys_sign_headers"):
        # Always a list: without one a signature is about all that stands below it, and MTAs put fields there.
        defaults["domainkeys_sign_headers"] = DEFAULT_SIGN_HEADERS.encode()
    if not settings.is_set("domainkeys_verify") and (name == "dk-filter" or settings.is_set("milter_methods")):
        defaults["domainkeys_verify"] = b"true"
    return settings.replaced(defaults, settings.file or "default")


def _read_file(path: str) -> str:
    return read_small_file(path, MAX_LIST_FILE).decode("utf-8", "surrogateescape")


def _domains(settings: Settings, option: str, subdomains: bool) -> DomainList | None:
    if not settings.string(option):
        return None
    return _checked(settings, option, lambda text: DomainList(read_entries(text, _read_file), subdomains=subdomains))


def _hosts(settings: Settings, option: str) -> HostList:
    return _checked(settings, option, lambda text: HostList(read_entries(text, _read_file)))


def _key_list(settings: Settings) -> KeyList | None:
    option = "milter_key_list"
    if not settings.string(option):
        return None
    return _checked(settings, option, lambda path: KeyList(_rules(path), os.path.exists))


def _rules(path: str) -> Iterable[str]:
    return file_entries(_read_file(path))


def _macro(item: str) -> tuple[str, bytes | None]:
    name, equals, value = item.partition("=")
    return name.strip("{}"), os.fsencode(value) if equals else None


def _reject_mode(settings: Settings) -> int:
    mode = settings.integer("milter_senderid_reject")
    if mode > 5:
        raise _error(settings, "milter_senderid_reject", f"{mode}: there are 0 to 5")
    return mode


def _check_signing(configuration: Configuration) -> None:
    """A filter that signs must be able to: keys that are named outright are read now."""
    settings = configuration.settings
    for method in configuration.signers:
        prefix = SIGNERS[method]
        needed = [f"{prefix}_{part}" for part in ("domain", "selector", "private_key")]
        missing = [name for name in needed if not settings.string(name)]
        if missing and (len(missing) < len(needed) or not configuration.methods):
            raise ConfigurationError(f"{configuration.name} is to sign, but {missing[0]} is not set", settings.file)
        if not missing:
            path = settings.string(f"{prefix}_private_key")
            if path.startswith("/") and "$" not in path and "\\" not in path:
                configuration.keys.read_now(path, settings, f"{prefix}_private_key")
    if configuration.key_list:
        for path in configuration.key_list.files():
            configuration.keys.read_now(path, settings, "milter_key_list")


def filters_of(settings: Settings, known: Mapping[str, Keys]) -> tuple[Configuration, ...]:
    """All filters of a configuration file: those of milter_filters, else the profiles that are named as the programs of
    2005, else the main part. `known`: keys from before, by filter. `ConfigurationError`.
    """
    names = settings.items("milter_filters") or tuple(name for name in settings.profiles if name in PROGRAM_METHODS)
    if not names:
        return (read_filter(settings, MAIN, known.get(MAIN)),)
    if len(set(names)) < len(names):
        raise _error(settings, "milter_filters", "a filter is named twice")
    made = []
    for name in names:
        if name not in settings.profiles:
            raise _error(settings, "milter_filters", f"there is no profile {name} (after `begin profiles`)")
        made.append(read_filter(settings.with_profile(name), name, known.get(name)))
    return tuple(made)
