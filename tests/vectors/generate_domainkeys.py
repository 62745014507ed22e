"""Writes this project's own DomainKeys vectors: `python tests/vectors/generate_domainkeys.py`; always the same ones.

The signer is `tests/support/naive_domainkeys.py`, not the engine. File format: README.md.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from cryptography.hazmat.primitives.asymmetric import rsa

from tests.support import naive_domainkeys
from tests.vectors.generate import HERE, KEYS, _large_key, public_value

HEADER = (
    b"Received: from a.example.org ([192.0.2.1]) by mx.example.net;\r\n\tMon, 21 Sep 2026 15:33:20 +0000\r\n"
    b"From: Alice <alice@example.org>\r\nTo: Bob <bob@example.net>\r\n"
    b"Subject: A  test\r\n\tof the  folded kind \r\nDate: Mon, 21 Sep 2026 15:33:19 +0000\r\n"
)
BODY = b"Hello Bob,\r\n\r\nthis line\thas a tab,  two blanks and one at its end \r\n\t \r\nAlice\r\n\r\n\r\n"
BASE = "a=rsa-sha1; q=dns; d=example.org; s=dk"
NAME = "dk._domainkey.example.org"
POLICY_NAME = "_domainkey.example.org"
P = f"p={public_value('rsa1024')}"
RECORD = f"k=rsa; {P}"
# The message of RFC 4870 §4.2 as printed. Its b= is half as long as a signature by the key of §3.2.2: signed anew.
EXAMPLE = (
    b"Received: from dsl-10.2.3.4.football.example.com  [10.2.3.4]\r\n"
    b"     by submitserver.football.example.com with SUBMISSION;\r\n     Fri, 11 Jul 2003 21:01:54 -0700 (PDT)\r\n"
    b'From: "Joe SixPack" <joe@football.example.com>\r\nTo: "Suzie Q" <suzie@shopping.example.net>\r\n'
    b"Subject: Is dinner ready?\r\nDate: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n"
    b"Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n"
)
EXAMPLE_DOMAIN = "football.example.com"
EXAMPLE_BODY = b"Hi.\r\n\r\nWe lost the game. Are you hungry yet?\r\n\r\nJoe.\r\n"


@dataclass(frozen=True)
class Vector:
    """One vector; what is not said is the usual: one good signature over a simple message."""

    name: str
    why: str
    want: Sequence[str]
    tags: Sequence[str] = (f"{BASE}; c=nofws",)
    canonicalization: str = "nofws"
    names: str | None = None
    key: str = "rsa1024"
    hash_name: str = "sha1"
    header: bytes = HEADER
    body: bytes = BODY
    dns: Sequence[str] = (f"{NAME} {RECORD}",)
    policy: Sequence[str] = ()
    replace: Sequence[tuple[bytes, bytes]] = ()
    """Changes to the message after it was signed."""

    def message(self) -> bytes:
        """The signed message; each signature is about what is below it."""
        message = self.header + b"\r\n" + self.body
        key = KEYS[self.key]
        assert isinstance(key, rsa.RSAPrivateKey)
        for tags in reversed(self.tags):
            message = (
                naive_domainkeys.sign(
                    message,
                    key,
                    tags,
                    canonicalization=self.canonicalization,
                    names=self.names,
                    hash_name=self.hash_name,
                )
                + message
            )
        for old, new in self.replace:
            assert old in message, (self.name, old)
            message = message.replace(old, new, 1)
        return message

    def files(self) -> dict[str, bytes]:
        """The contents of the two files by suffix."""
        lines = [
            f"why {self.why}",
            *(f"policy {line}" for line in self.policy),
            *(f"dns {line}" for line in self.dns),
            *self.want,
        ]
        return {".msg": self.message(), ".want": "".join(f"{line}\n" for line in lines).encode()}


def good(domain: str = "example.org") -> list[str]:
    """What is wanted of a good signature."""
    return [f"verdict GOOD {domain}", f"word {domain} good"]


def bad(reason: str, domain: str = "example.org", word: str = "bad") -> list[str]:
    """What is wanted of another."""
    return [f"verdict {reason} {domain}", f"word example.org {word}"]


def canonicalization_vectors() -> Iterator[Vector]:
    """Both canonicalisations over bodies and headers where they differ (RFC 4870 §3.4.2)."""
    bodies = {
        "usual": (BODY, "blanks and empty lines"),
        "none": (b"", "no body: the line between header and body is not signed either"),
        "empty-lines": (b"\r\n\r\n\r\n", "a body of empty lines is as none"),
        "blank-lines": (b" \t\r\n \r\n\t\r\n", "lines of blanks: three lines under simple, none under nofws"),
        "no-final-newline": (b"a line\r\nthe last line", "a last line without CRLF has one"),
        "bare-cr": (b"one\rtwo\r\r\nthree\r\n\r", "a CR alone: a character under simple, nothing under nofws"),
        "bare-lf": (b"one\ntwo\n\r\nthree\n\n\r\n", "an LF alone: a character under simple, nothing under nofws"),
        "divided-crlf": (b"one\r \ntwo\r\n", "a blank between CR and LF: no line ends there"),
        "nul": (b"a\0b\0 \0\r\n\0\r\n", "NUL bytes are characters like any other"),
        "marks": (b"\0\1\2\x7f one \r\n\0\1\2\x7f\r\r\n \r\n", "every byte that stands for a line end inside"),
        "eight-bit": (bytes(range(128, 256)) + b"\r\n\xc3\xa9 \r\n", "bytes above 127 are not looked at"),
    }
    for c in ("simple", "nofws"):
        for name, (body, why) in bodies.items():
            tags = (f"{BASE}; c={c}",)
            yield Vector(f"canon-{name}-{c}", why, good(), tags, c, body=body)
        header = HEADER.replace(b"Subject: A", b"SUBJECT :\t \r\n A")
        yield Vector(
            f"canon-header-{c}",
            "a name in capitals, blanks before the colon",
            good(),
            (f"{BASE}; c={c}",),
            c,
            header=header,
        )
    yield Vector("canon-default", "no c=: simple", good(), (BASE,), "simple")
    yield Vector("canon-case", "c= in capitals", good(), (f"{BASE}; c=NOFWS",))
    folded = [(b"of the  folded kind ", b"of\r\n the folded  kind"), (b"\r\n\r\nHello", b"\r\n\r\nH e l l o")]
    yield Vector("canon-refolded-nofws", "blanks that move do not matter to nofws", good(), replace=folded)
    tags = (f"{BASE}; c=simple",)
    yield Vector("canon-refolded-simple", "and do to simple", bad("SIGNATURE_MISMATCH"), tags, "simple", replace=folded)
    want = [*good(EXAMPLE_DOMAIN), "word joe@football.example.com good"]
    for name, why, policy, wanted in (
        (
            "rfc4870-example",
            "message and key of RFC 4870 §4.2 and §3.2.2, where 768 bits are enough",
            ("min_key_bits 768",),
            want,
        ),
        (
            "rfc4870-example-today",
            "and where they are not",
            (),
            [f"verdict KEY_TOO_SMALL {EXAMPLE_DOMAIN}", f"word {EXAMPLE_DOMAIN} bad"],
        ),
    ):
        yield Vector(
            name,
            why,
            wanted,
            (f"a=rsa-sha1; s=brisbane; d={EXAMPLE_DOMAIN};\r\n  c=simple; q=dns",),
            "simple",
            key="rfc4870",
            header=EXAMPLE,
            body=EXAMPLE_BODY,
            dns=(f"brisbane._domainkey.{EXAMPLE_DOMAIN} g=; k=rsa; p={public_value('rfc4870')}",),
            policy=policy,
        )


def field_vectors() -> Iterator[Vector]:
    """Which fields are signed (RFC 4870 §3.3 h=, §3.4.2)."""
    h = f"{BASE}; c=nofws; h="
    yield Vector(
        "fields-h",
        "h= names some",
        good(),
        (f"{h}Received:From:To:Subject:Date",),
        names="received:from:to:subject:date",
    )
    yield Vector("fields-h-folded", "blanks in h= are ignored", good(), (f"{h}From :\r\n\tTo",), names="from:to")
    order = "date:from"
    yield Vector("fields-h-order", "the order is that of h=", good(), (f"{h}{order}",), names=order)
    yield Vector("fields-h-absent", "a name that no field has", good(), (f"{h}from:x-none:to",), names="from:x-none:to")
    twice = HEADER.replace(b"To:", b"X-A: 1\r\nX-B: 2\r\nX-A: 3\r\nTo:")
    yield Vector(
        "fields-h-all-of-a-name",
        "a name stands for all fields of that name",
        good(),
        (f"{h}from:x-a:x-b",),
        names="from:x-a:x-b",
        header=twice,
    )
    yield Vector(
        "fields-h-repeated",
        "a name twice: a field each",
        good(),
        (f"{h}from:x-a:x-b:x-a",),
        names="from:x-a:x-b:x-a",
        header=twice,
    )
    added = [(b"To:", b"X-A: added\r\nTo:")]
    yield Vector(
        "fields-h-added",
        "another field of a signed name",
        bad("SIGNATURE_MISMATCH"),
        (f"{h}from:x-a",),
        names="from:x-a",
        header=twice,
        replace=added,
    )
    yield Vector(
        "fields-h-other-added",
        "a field that h= does not name",
        good(),
        (f"{h}from:to",),
        names="from:to",
        replace=added,
    )
    yield Vector("fields-added", "a field below a signature without h=", bad("SIGNATURE_MISMATCH"), replace=added)
    above = [(b"DomainKey-", b"Received: by another\r\nX-Above: yes\r\nDomainKey-")]
    yield Vector("fields-above", "fields above the signature do not matter", good(), replace=above)
    moved = [(b"To: Bob <bob@example.net>\r\n", b""), (b"DomainKey-", b"To: Bob <bob@example.net>\r\nDomainKey-")]
    yield Vector("fields-moved-above", "a field moved above is not there", bad("SIGNATURE_MISMATCH"), replace=moved)
    more = [(b"DomainKey-", b"From: Mallory <m@example.com>\r\nDomainKey-")]
    yield Vector(
        "fields-second-from", "a second From above the signature", bad("UNSIGNED_DUPLICATE_FIELD"), replace=more
    )
    subject = [(b"DomainKey-", b"Subject: Buy\r\nDomainKey-")]
    yield Vector("fields-second-subject", "a second Subject above", bad("UNSIGNED_DUPLICATE_FIELD"), replace=subject)
    yield Vector(
        "fields-second-unsigned", "h= does not name Subject", good(), (f"{h}from:to",), names="from:to", replace=subject
    )
    junk = HEADER + b"this is no field\r\n"
    yield Vector("fields-no-field", "a line that is no field", bad("MALFORMED_HEADER"), header=junk)


def sender_vectors() -> Iterator[Vector]:
    """The sending address (RFC 4870 §3.1)."""
    listed = HEADER.replace(b"To:", b"Sender: list@lists.example.org\r\nTo:").replace(
        b"alice@example.org", b"alice@example.com"
    )
    yield Vector(
        "sender-sender",
        "Sender comes before From",
        [*good(), "word lists.example.org good", "word example.com unsigned"],
        header=listed,
    )
    other = HEADER.replace(b"To:", b"Sender: list@lists.example.com\r\nTo:")
    yield Vector("sender-other", "Sender is elsewhere", bad("SENDER_NOT_UNDER_DOMAIN"), header=other)
    h = f"{BASE}; c=nofws; h="
    yield Vector(
        "sender-not-signed", "h= names neither Sender nor From", bad("SENDER_NOT_SIGNED"), (f"{h}to",), names="to"
    )
    yield Vector("sender-from-only", "Sender is not signed, From is", good(), (f"{h}from",), names="from", header=other)
    several = HEADER.replace(b"Alice <alice@example.org>", b"Alice <alice@example.org>, Eve <eve@example.com>")
    yield Vector(
        "sender-first", "the first of several addresses", [*good(), "word alice@example.org good"], header=several
    )
    yield Vector(
        "sender-second",
        "not the second",
        bad("SENDER_NOT_UNDER_DOMAIN", "example.com", "unsigned"),
        (BASE.replace("org", "com"),),
        "simple",
        header=several,
    )
    twice = HEADER + b"From: Eve <eve@example.org>\r\n"
    yield Vector("sender-twice", "two From fields, both signed", bad("SENDER_REPEATED"), header=twice)
    broken = HEADER.replace(b"Alice <alice@example.org>", b"Alice <alice@example.org")
    yield Vector("sender-malformed", "an address that does not end", bad("SENDER_MALFORMED"), header=broken)
    below = HEADER.replace(b"alice@example.org", b"alice@mail.Example.ORG")
    yield Vector(
        "sender-below",
        "From below d=",
        [*good(), "word mail.example.org good", "word alice@mail.example.org good"],
        header=below,
    )
    similar = HEADER.replace(b"alice@example.org", b"alice@anexample.org")
    yield Vector("sender-similar", "a name that only ends in d=", bad("SENDER_NOT_UNDER_DOMAIN"), header=similar)


def tag_vectors() -> Iterator[Vector]:
    """The tags of the signature (RFC 4870 §3.3)."""
    c = "; c=nofws"
    yield Vector("tag-order", "b= need not be last", good(), (f"b={{b}}; {BASE}{c}",))
    yield Vector("tag-fewest", "no a=, c=, q=", good(), ("d=example.org; s=dk",), "simple")
    yield Vector("tag-unknown", "a tag that is not known", good(), (f"{BASE}{c}; x=1; z=a|b",))
    yield Vector("tag-list", "no tag list", bad("BAD_TAG_LIST", "-", "unsigned"), (f"{BASE}{c}; junk",))
    yield Vector("tag-twice", "a tag twice", bad("DUPLICATE_TAG", "-", "unsigned"), (f"{BASE}{c}; s=dk",))
    yield Vector("tag-no-d", "no d=", bad("MISSING_TAG", "-", "unsigned"), ("a=rsa-sha1; s=dk; c=nofws",))
    yield Vector("tag-no-s", "no s=", bad("MISSING_TAG"), ("a=rsa-sha1; d=example.org; c=nofws",))
    yield Vector("tag-bad-b", "b= is not base64", bad("BAD_TAG_VALUE"), (f"{BASE}{c}; b=?{{b}}",))
    yield Vector(
        "tag-algorithm",
        "a=rsa-sha256, which DomainKeys never had",
        bad("UNKNOWN_ALGORITHM"),
        (BASE.replace("sha1", "sha256") + c,),
        hash_name="sha256",
    )
    yield Vector("tag-canonicalization", "c=relaxed", bad("UNKNOWN_CANONICALIZATION"), (f"{BASE}; c=relaxed",))
    yield Vector("tag-query", "q=http", bad("UNKNOWN_QUERY_METHOD"), (BASE.replace("dns", "http") + c,))


def key_vectors() -> Iterator[Vector]:
    """The key (RFC 4870 §3.2.3, §3.7.4)."""
    records = {
        "dkim": (f"v=DKIM1; k=rsa; {P}", "a record for DKIM", good()),
        "no-k": (P, "no k=: rsa", good()),
        "g-empty": (f"g=; {RECORD}", "g= is empty: every address", good()),
        "g-address": (f"g=alice; {RECORD}", "g= is the local part", good()),
        "g-star": (f"g=al*ce; {RECORD}", "g= with an asterisk, as RFC 4871 had it", good()),
        "g-other": (f"g=bob; {RECORD}", "g= is another local part", bad("KEY_GRANULARITY")),
        "g-star-other": (f"g=alice*e; {RECORD}", "g= with an asterisk that does not fit", bad("KEY_GRANULARITY")),
        "testing": (f"t=y; {RECORD}", "t=y and a good signature", [*good(), "testing"]),
        "revoked": ("k=rsa; p=", "p= is empty", bad("KEY_REVOKED")),
        "revoked-testing": ("k=rsa; t=y; p=", "the same, testing", [*bad("KEY_REVOKED", word="unsigned"), "testing"]),
        "bad-record": ("o=-", "no key record", bad("KEY_BAD_RECORD")),
        "version": (f"v=DKIM9; {P}", "a version that is not known", bad("KEY_UNKNOWN_VERSION")),
        "type": (f"k=ed25519; {P}", "another type", bad("KEY_TYPE_MISMATCH")),
        "hash": (f"h=sha256; {RECORD}", "the record wants another hash", bad("KEY_HASH_MISMATCH")),
        "service": (f"s=other; {RECORD}", "not for mail", bad("KEY_NOT_FOR_MAIL")),
        "strict": (f"t=s; {RECORD}", "t=s and From at d=", good()),
        "unusable": ("k=rsa; p=YWJj", "no key in p=", bad("KEY_UNUSABLE")),
        "large": (f"k=rsa; p={_large_key()}", "9001 bits", bad("KEY_TOO_LARGE")),
        "other": (f"k=rsa; p={public_value('rsa2048')}", "somebody else's key", bad("SIGNATURE_MISMATCH")),
    }
    for name, (record, why, want) in records.items():
        yield Vector(f"key-{name}", why, want, dns=(f"{NAME} {record}",))
    small = (f"{NAME} k=rsa; p={public_value('rsa768')}",)
    yield Vector("key-small", "768 bits", bad("KEY_TOO_SMALL"), key="rsa768", dns=small)
    yield Vector(
        "key-small-accepted",
        "768 bits where 512 are enough",
        good(),
        key="rsa768",
        dns=small,
        policy=("min_key_bits 512",),
    )
    below = HEADER.replace(b"alice@example.org", b"alice@mail.example.org")
    yield Vector(
        "key-strict-below",
        "t=s and From below d=",
        bad("KEY_STRICT_IDENTITY"),
        header=below,
        dns=(f"{NAME} t=s; {RECORD}",),
    )
    for trouble, reason, word in (
        ("NXDOMAIN", "KEY_NXDOMAIN", "bad"),
        ("NO_DATA", "KEY_NO_DATA", "bad"),
        ("SERVFAIL", "KEY_SERVFAIL", "defer"),
        ("TIMEOUT", "KEY_TIMEOUT", "defer"),
    ):
        yield Vector(
            f"key-{trouble.lower().replace('_', '-')}",
            f"DNS says {trouble}",
            bad(reason, word=word),
            dns=(f"{NAME} {trouble}",),
        )
    several = (f"{NAME} junk", f"{NAME} k=rsa; p={public_value('rsa2048')}", f"{NAME} {RECORD}")
    yield Vector("key-several", "several records, one of which fits", good(), dns=several)


def policy_vectors() -> Iterator[Vector]:
    """The policy of the domain (RFC 4870 §3.6, §3.7.6) and our own."""
    changed = [(b"Hello", b"Hallo")]
    for name, record, word in (
        ("all", "o=-", "bad"),
        ("some", "o=~; n=note", "bad"),
        ("testing", "t=y; o=-", "unsigned"),
    ):
        dns = (f"{NAME} {RECORD}", f"{POLICY_NAME} {record}")
        testing = ["testing"] if name == "testing" else []
        yield Vector(
            f"policy-{name}",
            f"a bad signature and {record}",
            [*bad("SIGNATURE_MISMATCH", word=word), *testing],
            replace=changed,
            dns=dns,
        )
        want = [f"word example.org {'bad' if name == 'all' else 'unsigned'}", "word example.net unsigned", *testing]
        if name != "some":
            want.insert(0, "verdict UNSIGNED_SIGNS_ALL -")
        yield Vector(f"policy-{name}-unsigned", f"no signature and {record}", want, (), dns=dns)
    yield Vector(
        "policy-trouble",
        "a bad signature, and no policy to be had",
        bad("SIGNATURE_MISMATCH"),
        replace=changed,
        dns=(f"{NAME} {RECORD}", f"{POLICY_NAME} SERVFAIL"),
    )
    yield Vector(
        "off", "DomainKeys is not accepted", bad("SHA1_NOT_ACCEPTED", word="unverified"), policy=("accept_sha1 false",)
    )
    yield Vector(
        "off-fault",
        "and then nothing else is said of it",
        ["verdict SHA1_NOT_ACCEPTED example.org", "word example.org unverified", "word alice@example.org unverified"],
        (f"{BASE}; c=relaxed",),
        policy=("accept_sha1 false",),
    )
    nine = [*(["verdict GOOD example.org"] * 8), "verdict TOO_MANY_SIGNATURES example.org", "word example.org good"]
    yield Vector("nine-signatures", "more signatures than are looked at", nine, (f"{BASE}; c=nofws",) * 9)
    two = ["verdict SIGNATURE_MISMATCH example.org", "verdict GOOD example.org", "word example.org good"]
    yield Vector(
        "two-signatures",
        "a bad signature above a good one",
        two,
        (f"{BASE}; c=nofws",) * 2,
        replace=[
            (
                b"DomainKey-Signature: a=rsa-sha1; q=dns; d=example.org; s=dk; c=nofws; b=",
                b"DomainKey-Signature: a=rsa-sha1; q=dns; d=example.org; s=dk; c=nofws; b=AAAA",
            )
        ],
    )


def all_vectors() -> list[Vector]:
    """Every vector, in the order of the files."""
    sources = (canonicalization_vectors, field_vectors, sender_vectors, tag_vectors, key_vectors, policy_vectors)
    return [vector for source in sources for vector in source()]


def all_files() -> dict[str, bytes]:
    """The contents of all files by name."""
    return {f"{vector.name}{suffix}": content for vector in all_vectors() for suffix, content in vector.files().items()}


def main() -> None:
    """Writes them."""
    (HERE / "domainkeys").mkdir(exist_ok=True)
    for name, content in all_files().items():
        (HERE / "domainkeys" / name).write_bytes(content)


if __name__ == "__main__":
    main()
