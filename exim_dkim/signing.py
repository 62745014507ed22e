"""From the dkim_* and domainkeys_* options and a message to signature fields, as Exim's smtp transport does it for DKIM
(Exim specification, "Signing outgoing messages"; the options of 2008 in doc/experimental-spec.txt).

Here the expansion language and DKIM meet. Pure: the clock, the variables and the reading of key files are arguments.
First `plan_signatures` evaluates the options against the header; then the body is hashed for the plan; then
`signature_fields` makes the fields. Whatever goes wrong is one `SigningError`; whether that defers the message or lets
it go unsigned is for `is_strict` to say, and only then (Exim looks at dkim_strict after a failure only).

The DomainKey-Signature stands directly on the header that it signs, and the DKIM-Signature fields above it: so it does
not depend on them, and they may sign it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from exim_dkim.canonical import HEADER_CANONICALIZATIONS
from exim_dkim.crypto import PrivateKey, load_private_key
from exim_dkim.dkim.sign import SigningRequest, check_algorithm, choose_names, sign
from exim_dkim.errors import ConfigurationError, EximDkimError, ExpansionError, KeyFormatError, ParseError, SigningError
from exim_dkim.expansion import Environment, Template, Value, expand, split_list
from exim_dkim.hashing import BodyHash, BodyHasher
from exim_dkim.message import HeaderField, is_well_formed
from exim_dkim.names import Domain, Selector, split_address

if TYPE_CHECKING:
    from exim_dkim.dkim.legacy_sign import LegacySigning
    from exim_dkim.domainkeys.sign import MessageSigning

_NEEDED: Final = ("dkim_domain", "dkim_selector", "dkim_private_key")
_NOT_SIGNED: Final = (b"", b"0", b"false")
_LEGACY: Final = b"nowsp"
_HASHES: Final = {b"sha1": "sha1", b"sha256": "sha256", b"sha512": "sha512"}
MAX_SIGNATURES: Final = 20
"""Signatures put on one message; Exim gives up on a message that has more."""


class Options(Protocol):
    """Where the option templates come from (`config.settings.Settings`)."""

    def template(self, name: str) -> Template | None:
        """The parsed expansion string of an option; None when it is not set."""

    def boolean(self, name: str) -> bool:
        """An option that is true or false."""


class PlannedSignature(NamedTuple):
    """One signature to make. `legacy`: one of 2005, which makes itself."""

    request: SigningRequest
    key: PrivateKey
    legacy: LegacySigning | None = None


class SigningPlan(NamedTuple):
    """All signatures to make, and what an administrator may want to know: why something is not signed."""

    signatures: tuple[PlannedSignature, ...]
    notes: tuple[str, ...]
    domainkeys: MessageSigning | None = None

    @property
    def signs(self) -> bool:
        """Whether there is anything to sign."""
        return bool(self.signatures) or self.domainkeys is not None

    @property
    def signers(self) -> str:
        """Who signs, for the log: `d=example.org s=mail`; a DomainKeys signature has `domainkeys` before it."""
        told = [f"d={one.request.domain} s={one.request.selector}" for one in self.signatures]
        if self.domainkeys is not None:
            request = self.domainkeys.request
            told.append(f"domainkeys d={request.domain} s={request.selector}")
        return " ".join(told)

    def body_hashes(self, hasher: BodyHasher) -> tuple[BodyHash, ...]:
        """Ask `hasher`, before it is fed, for the body hashes of the plan."""
        for whole in (self.domainkeys, *(planned.legacy for planned in self.signatures)):
            if whole is not None:
                whole.begin(hasher)
        return tuple(
            hasher.want(planned.request.hash_name, planned.request.body_canonicalization)
            for planned in self.signatures
            if planned.legacy is None
        )


class Evaluation:
    """One evaluation of the options for one message."""

    def __init__(self, options: Options, environment: Environment) -> None:
        self.options = options
        self.environment = environment
        self.working: dict[bytes, Value] = {}

    def template(self, name: str) -> Template | None:
        """The parsed option; None when it is not set. Raises `SigningError`."""
        try:
            return self.options.template(name)
        except ConfigurationError as error:
            raise SigningError(str(error)) from error

    def value(self, name: str) -> Value | None:
        """The expanded option; None when it is not set. Raises `SigningError` in Exim's words."""
        template = self.template(name)
        if template is None:
            return None
        try:
            return expand(template, self.environment, self.working)
        except ExpansionError as error:
            raise SigningError(f"failed to expand {name}: {error.message}") from error

    def elements(self, name: str) -> Iterable[Value]:
        """The elements of an option that is a list, empty ones left out."""
        value = self.value(name)
        if value is None:
            return
        for element in split_list(value.text):
            if element:
                yield Value(element, value.tainted)


def plan_signatures(
    options: Options,
    environment: Environment,
    fields: Sequence[HeaderField],
    now: float,
    read_key: Callable[[str], bytes],
) -> SigningPlan:
    """What to sign as. `fields` is the header that will be sent, `now` seconds since the epoch.

    `read_key` reads a private-key file; it may raise an `EximDkimError`. Raises `SigningError`.
    """
    evaluation = Evaluation(options, environment)
    notes: list[str] = []
    domainkeys = None
    if evaluation.template("domainkeys_domain") is not None:
        from exim_dkim.signing_domainkeys import plan_domainkeys  # rare, and the filter starts for each message

        domainkeys = plan_domainkeys(evaluation, fields, read_key, notes)
        if domainkeys is not None:
            fields = (HeaderField(b"domainkey-signature", b"DomainKey-Signature:"), *fields)
        evaluation.working = {}
    missing = [name for name in _NEEDED if evaluation.template(name) is None]
    if missing:
        if domainkeys is None or "dkim_domain" not in missing:
            notes.append(f"not signed: {missing[0]} is not set")
        return SigningPlan((), tuple(notes), domainkeys)
    return SigningPlan(_plan_dkim(evaluation, fields, now, read_key, notes), tuple(notes), domainkeys)


def _plan_dkim(
    evaluation: Evaluation,
    fields: Sequence[HeaderField],
    now: float,
    read_key: Callable[[str], bytes],
    notes: list[str],
) -> tuple[PlannedSignature, ...]:
    planned: list[PlannedSignature] = []
    seen: set[bytes] = set()
    for domain in evaluation.elements("dkim_domain"):
        lowered = Value(domain.text.lower(), domain.tainted)
        if lowered.text in seen:
            continue
        seen.add(lowered.text)
        evaluation.working = {b"dkim_domain": lowered}
        for selector in evaluation.elements("dkim_selector"):
            evaluation.working[b"dkim_selector"] = selector
            signature = _plan_one(evaluation, fields, now, read_key, notes)
            if signature is not None:
                planned.append(signature)
        if evaluation.working.get(b"dkim_selector") is None:
            notes.append(f"not signed for {shown(lowered.text)}: dkim_selector is empty")
    if not seen:
        notes.append("not signed: dkim_domain is empty")
    if len(planned) > MAX_SIGNATURES:
        raise SigningError(f"{len(planned)} signatures are asked for; at most {MAX_SIGNATURES} make sense")
    if planned and not is_well_formed(fields):
        notes.append("the header has a line that is no field, or a lone CR or LF: verifiers may refuse the signature")
    return tuple(planned)


def _plan_one(
    evaluation: Evaluation,
    fields: Sequence[HeaderField],
    now: float,
    read_key: Callable[[str], bytes],
    notes: list[str],
) -> PlannedSignature | None:
    """The signature for the present $dkim_domain and $dkim_selector; None when the key option says not to sign."""
    domain, selector = _names(evaluation)
    header, body = _canonicalizations(evaluation, notes)
    names = _chosen_names(evaluation, fields)
    key = read_signing_key(evaluation, "dkim_private_key", read_key)
    if key is None:
        notes.append(f"not signed for {domain} with {selector}: dkim_private_key is empty, 0 or false")
        return None
    hash_name = _hash_name(evaluation)
    check_algorithm(key, hash_name)
    identity = _identity(evaluation)
    timestamp, expiration = _timestamps(evaluation, now)
    request = SigningRequest(
        domain, selector, names, hash_name, header, body, identity, timestamp, expiration,
        evaluation.options.boolean("dkim_request_reports"),
    )  # fmt: skip
    if header != "nowsp":
        return PlannedSignature(request, key)
    from exim_dkim.dkim.legacy_sign import LegacySigning  # rare, and the filter starts for each message

    # It is made before the DomainKey-Signature is there.
    names = tuple([name for name in names if name.lower() != b"domainkey-signature"])
    request = request._replace(names=names, hash_name="sha1")
    return PlannedSignature(request, key, LegacySigning(fields, request, key))


def _names(evaluation: Evaluation) -> tuple[Domain, Selector]:
    domain_text = evaluation.working[b"dkim_domain"].text
    selector_text = evaluation.working[b"dkim_selector"].text
    try:
        domain = Domain.parse(domain_text)
    except ParseError:
        raise SigningError(f"dkim_domain gives {shown(domain_text)}, which is not a domain name") from None
    if not domain.is_host_name:
        raise SigningError(f"dkim_domain gives {shown(domain_text)}, which is not a host name")
    try:
        return domain, Selector.parse(selector_text)
    except ParseError:
        raise SigningError(f"dkim_selector gives {shown(selector_text)}, which is not a selector") from None


def _canonicalizations(evaluation: Evaluation, notes: list[str]) -> tuple[str, str]:
    """`relaxed` (default), `simple`, or a pair `header/body`; Exim takes anything else for relaxed, and logs it.

    With dkim_legacy also `nowsp`.
    """
    value = evaluation.value("dkim_canon")
    text = b"relaxed" if value is None or not value.text else value.text
    if text == _LEGACY and evaluation.options.boolean("dkim_legacy"):
        return "nowsp", "nowsp"
    header, slash, body = text.decode("ascii", "replace").partition("/")
    if not slash:
        body = header
    if header in HEADER_CANONICALIZATIONS and body in HEADER_CANONICALIZATIONS:
        return header, body
    why = "which dkim_legacy does not permit" if text == _LEGACY else "which is unknown"
    notes.append(f"dkim_canon gives {shown(text)}, {why}: using relaxed")
    return "relaxed", "relaxed"


def read_signing_key(evaluation: Evaluation, option: str, read_key: Callable[[str], bytes]) -> PrivateKey | None:
    """The key that an option gives; None when it says not to sign. Raises `SigningError`."""
    value = evaluation.value(option)
    if value is None or value.text in _NOT_SIGNED:
        return None
    pem = value.text
    if pem.startswith(b"/"):
        if value.tainted:
            raise SigningError(
                f"Tainted filename '{shown(pem)}' for {option}: it was made from the message; look the name up, as "
                f"${{lookup{{${option.partition('_')[0]}_domain.pem}}dsearch,ret=full{{/DIRECTORY}}}} does"
            )
        try:
            pem = read_key(pem.decode("utf-8", "surrogateescape"))
        except EximDkimError as error:
            raise SigningError(str(error)) from error
    try:
        return load_private_key(pem)
    except KeyFormatError as error:
        place = shown(value.text) if value.text.startswith(b"/") else f"the text of {option}"
        raise SigningError(f"{place}: {error}") from error


def _hash_name(evaluation: Evaluation) -> str:
    value = evaluation.value("dkim_hash")
    if value is None or not value.text:
        return "sha256"
    if value.text not in _HASHES:
        raise SigningError(f"dkim_hash gives {shown(value.text)}; it must be sha256, sha512 or sha1")
    return _HASHES[value.text]


def _identity(evaluation: Evaluation) -> tuple[bytes, Domain] | None:
    value = evaluation.value("dkim_identity")
    if value is None or not value.text:
        return None
    try:
        return split_address(value.text)
    except ParseError as error:
        raise SigningError(f"dkim_identity gives {shown(value.text)}: {error}") from None


def _timestamps(evaluation: Evaluation, now: float) -> tuple[int | None, int | None]:
    """Unset: neither tag; a number above 0 (whatever follows it): t= and, so many seconds later, x=; else t= only."""
    value = evaluation.value("dkim_timestamps")
    if value is None:
        return None, None
    text = value.text.strip()
    digits = text[: len(text) - len(text.lstrip(b"0123456789"))]
    seconds = int(digits) if 0 < len(digits) < 12 else 0
    return int(now), int(now) + seconds if seconds else None


def _chosen_names(evaluation: Evaluation, fields: Sequence[HeaderField]) -> tuple[bytes, ...]:
    value = evaluation.value("dkim_sign_headers")
    return choose_names(() if value is None else split_list(value.text), fields)


def signature_fields(plan: SigningPlan, fields: Sequence[HeaderField], body_hashes: Sequence[BodyHash]) -> bytes:
    """The signature fields of the plan, in the order in which they will stand, in wire form. Raises `SigningError`."""
    made = []
    domainkeys = b""
    if plan.domainkeys is not None:
        try:
            domainkeys = plan.domainkeys.field()
        except KeyFormatError as error:
            raise SigningError(str(error)) from error
        fields = (HeaderField(b"domainkey-signature", domainkeys[:-2]), *fields)
    hashes = iter(body_hashes)
    for planned in plan.signatures:
        try:
            if planned.legacy is not None:
                made.append(planned.legacy.field())
            else:
                made.append(sign(fields, next(hashes).digest(), planned.request, planned.key))
        except KeyFormatError as error:
            raise SigningError(str(error)) from error
    return b"".join(made) + domainkeys


def is_strict(options: Options, environment: Environment) -> bool:
    """Whether dkim_strict expands to `1` or `true` (any case). When that cannot be said: yes, the mail is safer queued.

    Exim before 4.93 compared the unexpanded string; and it takes a failing expansion for "no", which we do not copy.
    """
    try:
        value = Evaluation(options, environment).value("dkim_strict")
    except SigningError:
        return True
    return value is not None and value.text.lower() in (b"1", b"true")


def shown(text: bytes) -> str:
    """A value for people and logs: printable, not long, never a whole key."""
    shown = text[:80].decode("utf-8", "backslashreplace")
    return "".join(character if character.isprintable() else "?" for character in shown)
