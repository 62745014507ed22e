"""From the domainkeys_* options and a message to a DomainKeys signature (RFC 4870 §3.5), as `signing` does for DKIM.

Imported only where these options are set. What makes a message unfit for DomainKeys (nobody sends it, or somebody else
does) is a note, since such mail is everyday mail; what is wrong with the options or the key is a `SigningError`, which
dkim_strict decides about.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from exim_dkim.canonical import DOMAINKEYS_HEADERS
from exim_dkim.domainkeys.sender import Sender, find_sender
from exim_dkim.domainkeys.sign import MessageSigning, SigningRequest, choose_names
from exim_dkim.errors import ParseError, SigningError
from exim_dkim.expansion import Value, split_list
from exim_dkim.message import HeaderField, is_well_formed
from exim_dkim.names import Domain, Selector
from exim_dkim.signing import Evaluation, read_signing_key, shown

NEEDED: Final = ("domainkeys_selector", "domainkeys_private_key")


class _NotSignedError(Exception):
    """Internal: there is no DomainKeys signature, for this reason."""


def plan_domainkeys(
    evaluation: Evaluation, fields: Sequence[HeaderField], read_key: Callable[[str], bytes], notes: list[str]
) -> MessageSigning | None:
    """The signature to make, or None, and then `notes` says why. Raises `SigningError`."""
    try:
        return _plan(evaluation, fields, read_key)
    except _NotSignedError as reason:
        notes.append(f"no DomainKeys signature: {reason}")
        return None


def _plan(evaluation: Evaluation, fields: Sequence[HeaderField], read_key: Callable[[str], bytes]) -> MessageSigning:
    for name in NEEDED:
        if evaluation.template(name) is None:
            raise _NotSignedError(f"{name} is not set")
    sender = find_sender(fields)
    if not isinstance(sender, Sender):
        raise _NotSignedError(f"{sender.reason.text}{f' ({sender.detail})' if sender.detail else ''}")
    if not is_well_formed(fields):
        raise _NotSignedError("the header has a line that is no field")
    found = _find_domain(evaluation, sender.domain)
    if found is None:
        raise _NotSignedError(f"domainkeys_domain does not name {sender.domain} or a domain above it")
    domain, tainted = found
    evaluation.working = {b"domainkeys_domain": Value(domain.encode(), tainted)}
    selector = _selector(evaluation)
    if selector is None:
        raise _NotSignedError(f"domainkeys_selector is empty for {domain}")
    evaluation.working[b"domainkeys_selector"] = Value(selector.encode(), tainted)
    names = evaluation.value("domainkeys_sign_headers")
    request = SigningRequest(
        domain, selector, choose_names(split_list(names.text) if names else (), fields), _canonicalization(evaluation)
    )
    key = read_signing_key(evaluation, "domainkeys_private_key", read_key)
    if key is None:
        raise _NotSignedError(f"domainkeys_private_key is empty, 0 or false for {domain}")
    return MessageSigning(fields, request, key)


def _find_domain(evaluation: Evaluation, sender: Domain) -> tuple[Domain, bool] | None:
    """The first of domainkeys_domain that is the sender's or above it, and whether it came from the message."""
    for element in evaluation.elements("domainkeys_domain"):
        try:
            domain = Domain.parse(element.text)
        except ParseError:
            raise SigningError(f"domainkeys_domain gives {shown(element.text)}, which is not a domain name") from None
        if sender.is_under(domain):
            return domain, element.tainted
    return None


def _selector(evaluation: Evaluation) -> Selector | None:
    value = evaluation.value("domainkeys_selector")
    if value is None or not value.text:
        return None
    try:
        return Selector.parse(value.text)
    except ParseError:
        raise SigningError(f"domainkeys_selector gives {shown(value.text)}, which is not a selector") from None


def _canonicalization(evaluation: Evaluation) -> str:
    value = evaluation.value("domainkeys_canon")
    text = "nofws" if value is None or not value.text else value.text.decode("ascii", "replace")
    if text not in DOMAINKEYS_HEADERS:
        raise SigningError(f"domainkeys_canon gives {shown(text.encode())}; it must be nofws or simple")
    return text
