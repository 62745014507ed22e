"""Short ways to sign and verify DomainKeys, for tests."""

from __future__ import annotations

from exim_dkim import crypto
from exim_dkim.domainkeys import sign, verify
from exim_dkim.domainkeys.sign import SigningRequest
from exim_dkim.domainkeys.verify import DomainKeysVerdict
from exim_dkim.hashing import BodyHasher
from exim_dkim.memory import MemoryResolver
from exim_dkim.message import parse_message
from exim_dkim.names import Domain, Selector
from exim_dkim.policy import DomainKeysPolicy
from tests.support import mail
from tests.support.run import run

POLICY = DomainKeysPolicy(accept_sha1=True)


def request(domain: str = "example.org", selector: str = "sel", **changes: object) -> SigningRequest:
    """What to sign as; `changes` are fields of SigningRequest."""
    plain = SigningRequest(Domain.parse(domain.encode()), Selector.parse(selector.encode()))
    return plain._replace(**changes)  # type: ignore[arg-type]  # the names are those of the tuple


def field(message: bytes = mail.MESSAGE, wanted: SigningRequest | None = None, number: int = 0) -> bytes:
    """A DomainKey-Signature field for `message`, with its CRLF."""
    parsed = parse_message(message)
    hasher = BodyHasher()
    key = crypto.load_private_key(mail.pem(number=number))
    signing = sign.MessageSigning(parsed.fields, wanted or request(), key)
    signing.begin(hasher)
    hasher.update(parsed.body)
    hasher.finish()
    return signing.field()


def signed(message: bytes = mail.MESSAGE, number: int = 0, **changes: object) -> bytes:
    """`message` with a signature on top."""
    return field(message, request(**changes), number) + message  # type: ignore[arg-type]


def judge(
    message: bytes, resolver: MemoryResolver | None = None, policy: DomainKeysPolicy = POLICY
) -> tuple[DomainKeysVerdict, ...]:
    """The verdicts on `message`; the key of `signed` is known."""
    return run(verify.verify(parse_message(message), resolver or mail.resolver(), policy))
