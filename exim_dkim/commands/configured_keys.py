"""The private keys that the configuration leads to.

Options such as `dkim_domain = ${lookup {${domain:$rh_from:}} lsearch,ret=key {/etc/…}}` name keys only when there is a
message. So each domain that can be found out gets a probe: the options are evaluated, by the very code that signs, for
a message that is from `postmaster@` that domain.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from exim_dkim.commands.keystate import NamedKey
from exim_dkim.commands.messages import key_reader, message_environment
from exim_dkim.errors import ExpansionError, ParseError, SigningError
from exim_dkim.message import HeaderField, parse_header
from exim_dkim.names import Domain
from exim_dkim.signing import SigningPlan, plan_signatures

if TYPE_CHECKING:
    from exim_dkim.config.settings import Settings

DKIM_OPTIONS: Final = ("dkim_domain", "dkim_selector", "dkim_private_key")
DOMAINKEYS_OPTIONS: Final = ("domainkeys_domain", "domainkeys_selector", "domainkeys_private_key")
KEY_OPTIONS: Final = (*DKIM_OPTIONS, *DOMAINKEYS_OPTIONS)
MAX_DOMAINS: Final = 1000
"""Domains that are looked at; a host with more has them in a form that one probe covers."""

MAX_TABLE: Final = 1 << 20
"""Bytes of a look-up table that are searched for domains."""

_PATH: Final = re.compile(r"(?<![\w$/}])/(?:[\w.@+-]+/)*[\w.@+-]+")
_TABLE_KEY: Final = re.compile(rb'^"?([A-Za-z0-9.-]+)', re.MULTILINE)
_KEY_SUFFIXES: Final = (".pem", ".key", ".private")


class Probe(NamedTuple):
    """What signing for mail from one domain would come to."""

    domain: Domain
    plan: SigningPlan


def probe(settings: Settings, domain: Domain, now: float, as_exim: bool = False) -> Probe:
    """Evaluate the signing options for mail from `postmaster@domain`; raises `SigningError`."""
    address = f"postmaster@{domain}"
    fields = _probe_header(address.encode())
    environment = message_environment(settings, fields, address)
    return Probe(domain, plan_signatures(settings, environment, fields, now, key_reader(settings, as_exim)))


def missing_options(settings: Settings) -> list[str]:
    """The options that signing needs and that are not set; none if either DKIM or DomainKeys has all of its own."""
    dkim, domainkeys = (
        [name for name in options if not settings.text(name)] for options in (DKIM_OPTIONS, DOMAINKEYS_OPTIONS)
    )
    return dkim if domainkeys else []


def named_keys(plan: SigningPlan) -> list[NamedKey]:
    """The keys of all signatures of a plan, that of a DomainKeys signature last."""
    keys = [
        NamedKey(one.request.domain, one.request.selector, one.key, one.request.hash_name) for one in plan.signatures
    ]
    if plan.domainkeys is not None:
        request = plan.domainkeys.request
        keys.append(NamedKey(request.domain, request.selector, plan.domainkeys.key, "sha1"))
    return keys


def signing_domains(settings: Settings) -> list[Domain]:
    """Domains that mail may be signed for, as far as the configuration and its tables tell; sorted.

    Names of key files are guesses, and count only when mail from that domain is signed.
    """
    domains = {*_evaluated(settings), *_tabulated(settings)}
    guesses = {domain for domain in _named_by_keys(settings) if domain not in domains and _is_signed(settings, domain)}
    return sorted(domains | guesses)[:MAX_DOMAINS]


def literal_paths(settings: Settings, names: Sequence[str] = KEY_OPTIONS) -> list[str]:
    """Every file and directory that the options name in full."""
    paths = {path: None for name in names for path in _PATH.findall(settings.string(name))}
    return list(paths)


def key_files(settings: Settings) -> list[str]:
    """Files that lie where the configuration keeps private keys; they need not all be in use."""
    options = ("dkim_private_key", "domainkeys_private_key")
    places = [*literal_paths(settings, options), settings.string("key_directory")]
    files: dict[str, None] = {}
    templates = [template for name in options if (template := settings.template(name)) is not None]
    only_one = bool(templates) and all(template.constant is not None for template in templates)
    for place in filter(None, places):
        if os.path.isfile(place) and (only_one or place.endswith(_KEY_SUFFIXES)):
            files[place] = None
        elif os.path.isdir(place):
            files.update({os.path.join(place, n): None for n in _names_in(place) if n.endswith(_KEY_SUFFIXES)})
    return list(files)


def _probe_header(address: bytes) -> tuple[HeaderField, ...]:
    return parse_header(b"From: %s\r\nTo: %s\r\nSubject: probe\r\n" % (address, address))


def _evaluated(settings: Settings) -> Iterator[Domain]:
    """What dkim_domain and domainkeys_domain give when there is no message: all of it when it is a plain list."""
    from exim_dkim.expansion import expand, split_list

    for name in ("dkim_domain", "domainkeys_domain"):
        template = settings.template(name)
        if template is None:
            continue
        try:
            value = expand(template, message_environment(settings, ()))
        except ExpansionError:
            continue
        yield from _domains(split_list(value.text))


def _tabulated(settings: Settings) -> Iterator[Domain]:
    """Keys of the tables that the options name."""
    for path in literal_paths(settings):
        if os.path.isfile(path) and not path.endswith(_KEY_SUFFIXES):
            yield from _domains(_TABLE_KEY.findall(_beginning(path)))


def _beginning(path: str) -> bytes:
    """The beginning of a table; nothing when this user may not read it, which `check` reports elsewhere."""
    try:
        with open(path, "rb") as stream:
            return stream.read(MAX_TABLE)
    except OSError:
        return b""


def _names_in(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))[:MAX_DOMAINS]
    except OSError:
        return []


def _named_by_keys(settings: Settings) -> Iterator[Domain]:
    """`example.org` and `example.org.mail` for a key file `example.org.mail.pem`."""
    for file in key_files(settings):
        stem = os.path.splitext(os.path.basename(file))[0]
        yield from _domains(map(os.fsencode, (stem, stem.rpartition(".")[0])))


def _is_signed(settings: Settings, domain: Domain) -> bool:
    try:
        return bool(probe(settings, domain, 0).plan.signs)
    except SigningError:
        return False


def _domains(texts: Iterable[bytes]) -> Iterator[Domain]:
    for text in texts:
        try:
            domain = Domain.parse(text)
        except ParseError:
            continue
        if domain.is_host_name and "." in domain:
            yield domain
