"""Writes this project's own DKIM vectors: `python tests/vectors/generate.py`. What it makes is always the same.

The signer is `tests/support/naive.py`, not the engine: a vector must not be right only because signer and verifier
share a mistake. File format: README.md.
"""

from __future__ import annotations

import base64
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support import naive

HERE = Path(__file__).parent
NOW = 1_790_000_000
"""The time at which the vectors are verified: 21 September 2026."""

KEYS = {path.stem: naive.load_key(path.read_bytes()) for path in sorted((HERE / "keys").glob("*.pem"))}

HEADER = (
    b"Received: from a.example.org ([192.0.2.1]) by mx.example.net;\r\n\tMon, 21 Sep 2026 15:33:20 +0000\r\n"
    b"From: Alice <alice@example.org>\r\nTo: Bob <bob@example.net>\r\n"
    b"Subject: A  test\r\n\tof the  folded kind \r\nDate: Mon, 21 Sep 2026 15:33:19 +0000\r\n"
)
BODY = b"Hello Bob,\r\n\r\nthis line\thas a tab,  two blanks and one at its end \r\n\t \r\nAlice\r\n\r\n\r\n"
BASE = "v=1; a=rsa-sha256; d=example.org; s=rsa2048"
RELAXED = ("relaxed", "relaxed")


def public_value(name: str) -> str:
    """p= for the key `name`."""
    public = KEYS[name].public_key()
    if isinstance(public, rsa.RSAPublicKey):
        data = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    else:
        data = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return base64.b64encode(data).decode()


RSA = public_value("rsa2048")
NAME = "rsa2048._domainkey.example.org"
RECORD = f"v=DKIM1; k=rsa; p={RSA}"


@dataclass(frozen=True)
class Vector:
    """One vector; what is not said is the usual: one good RSA signature over a simple message."""

    name: str
    why: str
    want: Sequence[str]
    tags: Sequence[str] = (f"{BASE}; c=relaxed/relaxed; h={{h}}; bh={{bh}}",)
    key: str = "rsa2048"
    canonicalization: tuple[str, str] = RELAXED
    hash_name: str = "sha256"
    length: int | None = None
    names: str = "from:to:subject:date"
    tail: str = ""
    header: bytes = HEADER
    body: bytes = BODY
    dns: Sequence[str] = (f"{NAME} {RECORD}",)
    policy: Sequence[str] = ()
    replace: Sequence[tuple[bytes, bytes]] = field(default=())
    """Changes to the message after it was signed."""
    legacy: bool = False
    """Signed as in 2005."""

    def message(self) -> bytes:
        """The signed message."""
        unsigned = self.header + b"\r\n" + self.body
        signatures = [
            naive.sign_legacy(
                unsigned,
                KEYS[self.key],
                tags,
                canonicalization=self.canonicalization[0],
                length=self.length,
                names=self.names,
            )
            if self.legacy
            else naive.sign(
                unsigned,
                KEYS[self.key],
                tags,
                canonicalization=self.canonicalization,
                hash_name=self.hash_name,
                length=self.length,
                names=self.names,
                tail=self.tail,
            )
            for tags in self.tags
        ]
        message = b"".join(signatures) + unsigned
        for old, new in self.replace:
            assert old in message, (self.name, old)
            message = message.replace(old, new, 1)
        return message

    def files(self) -> dict[str, bytes]:
        """The contents of the two files by suffix."""
        lines = [
            f"why {self.why}",
            f"now {NOW}",
            *(f"policy {line}" for line in self.policy),
            *(f"dns {line}" for line in self.dns),
            *self.want,
        ]
        return {".msg": self.message(), ".want": "".join(f"{line}\n" for line in lines).encode()}


def tagged(extra: str = "", base: str = BASE, c: str = "; c=relaxed/relaxed") -> tuple[str]:
    """The tags of one signature with something added."""
    return (f"{base}{c}{extra}; h={{h}}; bh={{bh}}",)


def good(name: str = "example.org") -> list[str]:
    """What is wanted of a good signature."""
    return [f"verdict GOOD {name}"]


def bad(reason: str, domain: str = "example.org") -> list[str]:
    """What is wanted of another."""
    return [f"verdict {reason} {domain}"]


def canonicalization_vectors() -> Iterator[Vector]:
    """Both canonicalisations over bodies and headers where they differ."""
    for pair in (("simple", "simple"), ("simple", "relaxed"), ("relaxed", "simple"), ("relaxed", "relaxed")):
        c = "/".join(pair)
        yield Vector(f"canon-{'-'.join(pair)}", f"c={c}", good(), tags=tagged(c=f"; c={c}"), canonicalization=pair)
    yield Vector(
        "canon-header-only",
        "c=relaxed means relaxed/simple (§3.5)",
        good(),
        tagged(c="; c=relaxed"),
        canonicalization=("relaxed", "simple"),
    )
    yield Vector(
        "canon-default", "no c=: simple/simple (§3.5)", good(), tagged(c=""), canonicalization=("simple", "simple")
    )
    bodies = {
        "empty": (b"", "an empty body is CRLF under simple, nothing under relaxed (§3.4.3, §3.4.4)"),
        "empty-lines": (b"\r\n\r\n\r\n", "a body of empty lines is CRLF under simple, nothing under relaxed"),
        "no-final-newline": (b"a line\r\nthe last line", "a CRLF is added to a last line that has none (§3.4.3)"),
        "blank-lines": (b" \t\r\n \r\n\t\r\n", "lines of blanks: three lines under simple, nothing under relaxed"),
        "bare-cr": (b"one\rtwo\r\r\nthree\r\n\r", "a CR alone is a character like any other"),
        "bare-lf": (b"one\ntwo\n\r\nthree\n\n\r\n", "an LF alone is a character like any other"),
        "long-line": (b"x" * 5000 + b"  \t y\r\n", "a line longer than any limit of SMTP"),
        "eight-bit": (bytes(range(128, 256)) + b"\r\n\xc3\xa9\r\n", "bytes above 127, UTF-8 or not, are not looked at"),
        "nul": (b"a\0b\0 \0\r\n\0\r\n", "NUL bytes are characters like any other"),
    }
    for name, (body, about) in bodies.items():
        for canonicalization in ("simple", "relaxed"):
            yield Vector(
                f"body-{name}-{canonicalization}",
                about,
                good(),
                tagged(c=f"; c=relaxed/{canonicalization}"),
                canonicalization=("relaxed", canonicalization),
                body=body,
            )


def header_vectors() -> Iterator[Vector]:
    """What h= can say, and headers that are not plain."""
    yield Vector(
        "header-oversigned",
        "h= names From, Subject and a field that is not there more often than they stand (§5.4.2)",
        good(),
        names="from:from:to:subject:subject:date:x-none",
    )
    two_from = HEADER.replace(b"To:", b"From: Mallory <mallory@example.com>\r\nTo:")
    yield Vector("header-two-from-signed", "both From fields are signed", good(), names="from:from:to", header=two_from)
    yield Vector(
        "header-two-from",
        "two From fields of which the lower is signed: what people see need not be what was signed (§8.15)",
        bad("UNSIGNED_DUPLICATE_FIELD"),
        header=two_from,
    )
    yield Vector(
        "header-two-subject",
        "a Subject put above the signed one",
        bad("UNSIGNED_DUPLICATE_FIELD"),
        replace=[(b"From: Alice", b"Subject: You have won\r\nFrom: Alice")],
    )
    yield Vector("header-from-not-signed", "h= without From (§5.4)", bad("FROM_NOT_SIGNED"), names="to:subject:date")
    yield Vector(
        "header-names-folded",
        "h= with white space, folding and capitals (§3.5)",
        good(),
        (f"{BASE}; c=relaxed/relaxed; h=From :\r\n\tTO:Subject\r\n : dAtE; bh={{bh}}",),
    )
    yield Vector(
        "header-eight-bit",
        "raw UTF-8 and raw Latin-1 in signed fields",
        good(),
        header=HEADER.replace(b"Alice <", b"J\xc3\xb6rg <").replace(b"A  test", b"Gr\xfc\xdfe"),
    )
    yield Vector(
        "header-folded-simple",
        "folded fields, a blank before a colon, nothing after a colon, under simple",
        good(),
        tagged(c="; c=simple/simple"),
        canonicalization=("simple", "simple"),
        names="from:to:subject:date:x-empty:received",
        header=HEADER.replace(b"To: Bob", b"TO :\r\n Bob") + b"X-Empty:\r\n",
    )
    yield Vector(
        "header-folded-relaxed",
        "folded fields, a blank before a colon, nothing after a colon, under relaxed",
        good(),
        names="from:to:subject:date:x-empty:received",
        header=HEADER.replace(b"To: Bob", b"TO :\r\n Bob") + b"X-Empty: \t \r\n",
    )
    yield Vector(
        "header-repeated",
        "fields of one name are taken from the bottom up (§5.4.2)",
        good(),
        names="x-tag:from:x-tag:x-tag:x-tag",
        header=b"X-Tag: 1\r\n" + HEADER + b"X-Tag: 2\r\nx-tag: 3\r\n",
    )
    yield Vector(
        "header-changed", "the Subject was changed", bad("SIGNATURE_MISMATCH"), replace=[(b"A  test", b"A toast")]
    )
    yield Vector(
        "header-blanks-simple",
        "one blank fewer is a change under simple",
        bad("SIGNATURE_MISMATCH"),
        tagged(c="; c=simple/simple"),
        canonicalization=("simple", "simple"),
        replace=[(b"A  test", b"A test")],
    )
    for name, why, line in (
        ("line", "a line without a colon", b"Click here to win\r\n"),
        ("words", "a line with a colon but no field name before it", b"Look here: https://example.net\r\n"),
        ("bare-lf", "a lone LF before what would be a second From", b"X: 1\nFrom: Mallory <mallory@example.com>\r\n"),
        ("fold", "a fold before the colon of a second From", b"From\r\n : Mallory <mallory@example.com>\r\n"),
    ):
        yield Vector(
            f"header-malformed-{name}",
            f"{why}: what is the header, and what the body, depends on who reads it (§3.8)",
            bad("MALFORMED_HEADER"),
            replace=[(b"Date:", line + b"Date:")],
        )
    yield Vector(
        "header-added-on-top",
        "fields that are not signed may be added",
        good(),
        replace=[
            (b"Received:", b"X-Spam: no\r\nReceived: by z.example;\r\n Mon, 21 Sep 2026 15:33:21 +0000\r\nReceived:")
        ],
    )


def length_vectors() -> Iterator[Vector]:
    """The body length, l= (§3.5, §8.2)."""
    whole = len(naive.relaxed_body(BODY))
    yield Vector("length-all", "l= is the whole canonical body", good(), tagged(f"; l={whole}"), length=whole)
    yield Vector("length-zero-empty", "l=0 with an empty body", good(), tagged("; l=0"), length=0, body=b"")
    yield Vector("length-zero", "l=0 leaves the whole body unsigned", bad("PARTIAL_BODY"), tagged("; l=0"), length=0)
    yield Vector(
        "length-appended",
        "text was added below the signed length",
        bad("PARTIAL_BODY"),
        tagged(f"; l={whole}"),
        length=whole,
        replace=[(b"Alice\r\n\r\n\r\n", b"Alice\r\nBuy now!\r\n")],
    )
    yield Vector(
        "length-partial-accepted",
        "the same, where local policy accepts it",
        good(),
        tagged(f"; l={whole}"),
        length=whole,
        policy=("partial_body true",),
        replace=[(b"Alice\r\n\r\n\r\n", b"Alice\r\nBuy now!\r\n")],
    )
    yield Vector(
        "length-changed-inside",
        "the signed part of the body was changed, and policy accepts l=",
        bad("BODY_HASH_MISMATCH"),
        tagged(f"; l={whole}"),
        length=whole,
        policy=("partial_body true",),
        replace=[(b"Hello", b"Hallo"), (b"Alice\r\n\r\n\r\n", b"Alice\r\nBuy now!\r\n")],
    )
    yield Vector("length-too-long", "the body is shorter than l=", bad("BODY_TOO_SHORT"), tagged(f"; l={whole + 1}"))
    yield Vector(
        "length-huge", "l= of 76 digits, the most that §3.5 allows", bad("BODY_TOO_SHORT"), tagged("; l=" + "9" * 76)
    )
    yield Vector("length-negative", "l= must be digits", bad("BAD_TAG_VALUE"), tagged("; l=-1"))


def tag_vectors() -> Iterator[Vector]:
    """The other tags of the signature."""
    whole = f"{BASE}; c=relaxed/relaxed; h={{h}}; bh={{bh}}"
    for name, part in {
        "v": "v=1; ",
        "a": "a=rsa-sha256; ",
        "s": "; s=rsa2048",
        "h": "h={h}; ",
        "bh": "; bh={bh}",
    }.items():
        yield Vector(f"tag-missing-{name}", f"{name}= is missing", bad("MISSING_TAG"), (whole.replace(part, ""),))
    yield Vector("tag-missing-d", "d= is missing", bad("MISSING_TAG", "-"), (whole.replace("d=example.org; ", ""),))
    yield Vector("tag-missing-b", "b= is missing", bad("MISSING_TAG"), replace=[(b"; b=", b"; bb=")])
    yield Vector("tag-duplicate", "a tag stands twice (§3.2)", bad("DUPLICATE_TAG", "-"), tagged("; c=relaxed/relaxed"))
    yield Vector("tag-no-value", "a tag without an equals sign (§3.2)", bad("BAD_TAG_LIST", "-"), tagged("; nonsense"))
    yield Vector("tag-bad-name", "a tag name that begins with a digit", bad("BAD_TAG_LIST", "-"), tagged("; 1x=2"))
    yield Vector("tag-final-semicolon", "a semicolon may end the list (§3.2)", good(), tail=" ;")
    yield Vector("tag-after-b", "b= need not be the last tag, and has blanks around it", good(), tail="\t; zz=1")
    yield Vector("tag-b-first", "b= may be the first tag", good(), (f"b={{b}}; {whole}",))
    yield Vector(
        "tag-b-spaced", "blanks and a fold around b and its equals sign", good(), (f"{whole};\t b \r\n\t= \t{{b}} ",)
    )
    yield Vector("tag-unknown", "unknown tags are ignored (§3.2)", good(), tagged("; zz=anything = at all; r=y"))
    yield Vector("tag-version", "v=2", bad("UNKNOWN_VERSION"), (whole.replace("v=1", "v=2"),))
    yield Vector("tag-algorithm", "a=rsa-md5", bad("UNKNOWN_ALGORITHM"), (whole.replace("rsa-sha256", "rsa-md5"),))
    yield Vector("tag-canonicalization", "c=nowsp", bad("UNKNOWN_CANONICALIZATION"), tagged(c="; c=nowsp"))
    yield Vector(
        "tag-canonicalization-body", "c=relaxed/nofws", bad("UNKNOWN_CANONICALIZATION"), tagged(c="; c=relaxed/nofws")
    )
    yield Vector("tag-query", "q= names no method that is known", bad("UNKNOWN_QUERY_METHOD"), tagged("; q=http/txt"))
    yield Vector(
        "tag-query-list", "q= names a method that is known among others", good(), tagged("; q=http/txt : dns/txt")
    )
    yield Vector(
        "tag-copied-header",
        "z= is for people who look for a fault; it proves nothing",
        good(),
        tagged("; z=From:x=40y|Subject:=20other"),
    )
    yield Vector("tag-bad-bh", "bh= is not base64", bad("BAD_TAG_VALUE"), (whole.replace("{bh}", "!{bh}"),))
    yield Vector("tag-bad-b", "b= is not base64", bad("BAD_TAG_VALUE"), replace=[(b"; b=", b"; b=!")])
    yield Vector(
        "tag-bad-domain",
        "d= is not a domain name",
        bad("BAD_TAG_VALUE", "-"),
        (whole.replace("example.org", "exa mple.org"),),
    )
    yield Vector(
        "tag-b-folded",
        "b= folded by a relay: white space in it does not count (§3.5)",
        good(),
        (f"{BASE}; c=relaxed/relaxed; h={{h}}; bh={{bh}}",),
        replace=[(b"; b=", b"; b=\r\n\t ")],
    )
    yield Vector("tag-identity", "i= below d=", good(), tagged("; i=alice@mail.example.org"))
    yield Vector(
        "tag-identity-quoted", "i= with a quoted-printable local part", good(), tagged("; i=a=6Cice+=3D@example.org")
    )
    yield Vector(
        "tag-identity-other", "i= is another domain", bad("IDENTITY_NOT_UNDER_DOMAIN"), tagged("; i=@example.com")
    )
    yield Vector(
        "tag-identity-suffix",
        "i= ends as d= does, but not at a dot",
        bad("IDENTITY_NOT_UNDER_DOMAIN"),
        tagged("; i=@badexample.org"),
    )
    yield Vector("tag-domain-capitals", "domains have no case", good(), (whole.replace("example.org", "EXAMPLE.Org"),))


def time_vectors() -> Iterator[Vector]:
    """t= and x= (§3.5), with the usual drift of 300 seconds."""
    yield Vector(
        "time-fresh", "signed a minute ago, good for a day", good(), tagged(f"; t={NOW - 60}; x={NOW + 86400}")
    )
    yield Vector("time-expired", "x= long past", bad("EXPIRED"), tagged(f"; t={NOW - 9999}; x={NOW - 999}"))
    yield Vector(
        "time-just-expired", "x= past, but within the drift", good(), tagged(f"; t={NOW - 9999}; x={NOW - 299}")
    )
    yield Vector("time-future", "t= far ahead", bad("IN_THE_FUTURE"), tagged(f"; t={NOW + 999}"))
    yield Vector("time-drift", "t= ahead, but within the drift", good(), tagged(f"; t={NOW + 299}"))
    yield Vector(
        "time-order", "x= before t= (§3.5: must be greater)", bad("BAD_TAG_VALUE"), tagged(f"; t={NOW}; x={NOW - 1}")
    )
    yield Vector("time-not-a-number", "t=yesterday", bad("BAD_TAG_VALUE"), tagged("; t=yesterday"))
    yield Vector(
        "time-far-future", "x= in 12 digits, as §3.5 asks verifiers to stand", good(), tagged("; x=999999999999")
    )


def key_vectors() -> Iterator[Vector]:
    """Key records (§3.6.1) and DNS (§6.1.2)."""
    for trouble, reason in {
        "NXDOMAIN": "KEY_NXDOMAIN",
        "NO_DATA": "KEY_NO_DATA",
        "SERVFAIL": "KEY_SERVFAIL",
        "TIMEOUT": "KEY_TIMEOUT",
    }.items():
        yield Vector(f"key-{trouble.lower()}", f"DNS: {trouble}", bad(reason), dns=(f"{NAME} {trouble}",))
    records = {
        "minimal": ("GOOD", "p= alone is enough", f"p={RSA}"),
        "spaced": ("GOOD", "white space in p=", f"v=DKIM1; p= {RSA[:40]} {RSA[40:90]}\t{RSA[90:]} ;"),
        "notes": ("GOOD", "n=, unknown tags, unknown flags", f"v=DKIM1; n=for people; x_y=1; t=z:q; p={RSA}"),
        "services": ("GOOD", "s= names mail among others", f"v=DKIM1; s=other : email; p={RSA}"),
        "any-service": ("GOOD", "s=*", f"v=DKIM1; s=*; p={RSA}"),
        "hashes": ("GOOD", "h= permits sha256 among others", f"v=DKIM1; h=sha1 : sha256; p={RSA}"),
        "strict-same": ("GOOD", "t=s, and i= has d= itself (here by default)", f"v=DKIM1; t=s; p={RSA}"),
        "not-a-record": ("KEY_BAD_RECORD", "a TXT record of another kind", "google-site-verification: 1234"),
        "no-p": ("KEY_BAD_RECORD", "p= is missing", "v=DKIM1; k=rsa"),
        "duplicate": ("KEY_BAD_RECORD", "k= stands twice", f"v=DKIM1; k=rsa; k=rsa; p={RSA}"),
        "version": ("KEY_UNKNOWN_VERSION", "v=DKIM2", f"v=DKIM2; p={RSA}"),
        "version-late": (
            "GOOD",
            "v= is not the first tag, as it ought to be (§3.6.1)",
            f"k=rsa; v=DKIM1; p={RSA}",
        ),
        "revoked": ("KEY_REVOKED", "p= is empty", "v=DKIM1; p="),
        "type": (
            "KEY_TYPE_MISMATCH",
            "an Ed25519 key for an RSA signature",
            f"v=DKIM1; k=ed25519; p={public_value('ed25519')}",
        ),
        "type-unknown": ("KEY_TYPE_MISMATCH", "k= of a type that nobody knows", f"v=DKIM1; k=dsa; p={RSA}"),
        "hash": ("KEY_HASH_MISMATCH", "h=sha1 for a sha256 signature", f"v=DKIM1; h=sha1; p={RSA}"),
        "service": ("KEY_NOT_FOR_MAIL", "s= without mail", f"v=DKIM1; s=web; p={RSA}"),
        "garbage": ("KEY_UNUSABLE", "p= is base64 but no key", "v=DKIM1; p=" + base64.b64encode(b"not a key").decode()),
        "other-kind": ("KEY_UNUSABLE", "p= is 32 bytes, k= says rsa", f"v=DKIM1; k=rsa; p={public_value('ed25519')}"),
        "wrong": ("SIGNATURE_MISMATCH", "a good key, but not the signer's", f"v=DKIM1; p={public_value('rsa1024')}"),
    }
    for name, (reason, why, record) in records.items():
        yield Vector(f"key-{name}", why, [f"verdict {reason} example.org"], dns=(f"{NAME} {record}",))
    yield Vector(
        "key-strict-identity",
        "t=s, and i= is below d=",
        bad("KEY_STRICT_IDENTITY"),
        tagged("; i=@mail.example.org"),
        dns=(f"{NAME} v=DKIM1; t=s; p={RSA}",),
    )
    yield Vector(
        "key-testing-good",
        "t=y on a good signature",
        [*good(), "testing", "word example.org good"],
        dns=(f"{NAME} v=DKIM1; t=y; p={RSA}",),
    )
    yield Vector(
        "key-testing-bad",
        "t=y on a bad signature: it counts as none (§3.6.1)",
        [*bad("BODY_HASH_MISMATCH"), "testing", "word example.org unsigned"],
        dns=(f"{NAME} v=DKIM1; t=y:s; p={RSA}",),
        replace=[(b"Hello", b"Hallo")],
    )
    yield Vector(
        "key-several-records",
        "several TXT records, of which one is the key (§3.6.2.2 leaves it open)",
        good(),
        dns=(f"{NAME} junk", f"{NAME} {RECORD}", f"{NAME} v=spf1 -all"),
    )
    yield Vector(
        "key-small",
        "a 768-bit RSA key makes a valid signature (RFC 8301: at least 1024)",
        bad("KEY_TOO_SMALL"),
        key="rsa768",
        dns=(f"{NAME} v=DKIM1; p={public_value('rsa768')}",),
    )
    yield Vector(
        "key-1024",
        "1024 bits are still enough",
        good(),
        key="rsa1024",
        dns=(f"{NAME} v=DKIM1; p={public_value('rsa1024')}",),
    )
    yield Vector(
        "key-1024-policy",
        "1024 bits where local policy wants 2048",
        bad("KEY_TOO_SMALL"),
        key="rsa1024",
        dns=(f"{NAME} v=DKIM1; p={public_value('rsa1024')}",),
        policy=("min_key_bits rsa=2048",),
    )
    yield Vector(
        "key-large", "an RSA key of 9001 bits", bad("KEY_TOO_LARGE"), dns=(f"{NAME} v=DKIM1; p={_large_key()}",)
    )
    yield Vector(
        "key-large-policy",
        "2048 bits where local policy stops at 2000",
        bad("KEY_TOO_LARGE"),
        policy=("max_key_bits 2000",),
    )


def algorithm_vectors() -> Iterator[Vector]:
    """Algorithms: RFC 6376 §3.3, RFC 8301, RFC 8463."""
    ed25519 = "v=1; a=ed25519-sha256; d=example.org; s=ed"
    record = f"ed._domainkey.example.org v=DKIM1; k=ed25519; p={public_value('ed25519')}"
    yield Vector("algorithm-ed25519", "Ed25519 (RFC 8463)", good(), tagged(base=ed25519), key="ed25519", dns=(record,))
    yield Vector(
        "algorithm-ed25519-bad",
        "Ed25519, header changed",
        bad("SIGNATURE_MISMATCH"),
        tagged(base=ed25519),
        key="ed25519",
        dns=(record,),
        replace=[(b"Bob <", b"Rob <")],
    )
    sha1 = BASE.replace("sha256", "sha1")
    yield Vector(
        "algorithm-sha1",
        "a valid rsa-sha1 signature (RFC 8301)",
        bad("HASH_NOT_ALLOWED"),
        tagged(base=sha1),
        hash_name="sha1",
    )
    yield Vector(
        "algorithm-sha1-allowed",
        "the same where local policy accepts it",
        good(),
        tagged(base=sha1),
        hash_name="sha1",
        policy=("hashes sha1:sha256",),
    )


def message_vectors() -> Iterator[Vector]:
    """Whole messages."""
    two = (*tagged(), *tagged(base=BASE.replace("s=rsa2048", "s=gone")))
    yield Vector(
        "message-one-of-two-good",
        "two signatures, one of which is good",
        [*good(), *bad("KEY_NXDOMAIN"), "word example.org good", "word example.com unsigned"],
        two,
    )
    yield Vector(
        "message-temporary",
        "no signature is good, and one key could not be fetched",
        [*bad("BODY_HASH_MISMATCH"), *bad("KEY_TIMEOUT"), "word example.org defer"],
        two,
        dns=(f"{NAME} {RECORD}", "gone._domainkey.example.org TIMEOUT"),
        replace=[(b"Hello", b"Hallo")],
    )
    yield Vector(
        "message-body-changed",
        "the body was changed",
        [*bad("BODY_HASH_MISMATCH"), "word example.org bad"],
        replace=[(b"Hello", b"Hallo")],
    )
    yield Vector("message-unsigned", "no signature at all", ["word example.org unsigned"], ())
    yield Vector(
        "message-nine-signatures",
        "more signatures than are looked at",
        [*(good() * 8), *bad("TOO_MANY_SIGNATURES"), "word example.org good"],
        tagged() * 9,
    )
    yield Vector(
        "message-no-body", "a header and nothing else", good(), body=b"", replace=[(b"+0000\r\n\r\n", b"+0000\r\n")]
    )
    international = "v=1; a=rsa-sha256; d=b\u00fccher.example; s=rsa2048"
    yield Vector(
        "message-international",
        "d= as a U-label (RFC 8616); the key stands under the A-label",
        good("xn--bcher-kva.example"),
        tagged(base=international),
        dns=(f"rsa2048._domainkey.xn--bcher-kva.example {RECORD}",),
    )


def legacy_vectors() -> Iterator[Vector]:
    """Signatures as dkim-milter 0.1.1 made them (draft-allman-dkim-base-00), and what becomes of them."""
    on, tags = ("legacy true",), "a=rsa-sha1; c=nowsp; d=example.org; s=rsa2048; t=1789999999; h={h}"
    nowsp, simple = ("nowsp", "nowsp"), ("simple", "simple")

    def vector(name: str, why: str, want: Sequence[str], tag_list: str = tags, **changes: object) -> Vector:
        usual = {"canonicalization": nowsp, "policy": on, "legacy": True, **changes}
        return Vector(f"legacy-{name}", why, want, (tag_list,), **usual)  # type: ignore[arg-type]

    plain = tags.replace("c=nowsp", "c=simple")
    yield vector("nowsp", "c=nowsp", good())
    yield vector("simple", "c=simple", good(), plain, canonicalization=simple)
    yield vector("default", "no c=: simple", good(), tags.replace("c=nowsp; ", ""), canonicalization=simple)
    yield vector("off", "dkim_legacy is not set", bad("MISSING_TAG"), policy=())
    yield vector(
        "spaced",
        "blanks that came on the way",
        good(),
        replace=[(b"Hello Bob", b"Hel  lo\r\nBob"), (b"A  test", b"At est")],
    )
    yield vector("body", "another body", bad("SIGNATURE_MISMATCH"), replace=[(b"Hello", b"Hallo")])
    yield vector("header", "another header", bad("SIGNATURE_MISMATCH"), replace=[(b"To: Bob", b"To: Bab")])
    yield vector("empty-nowsp", "an empty body", good(), body=b"")
    yield vector("empty-simple", "an empty body", good(), plain, canonicalization=simple, body=b"")
    yield vector("length", "l=", bad("PARTIAL_BODY"), f"{tags}; l=5", length=5)
    yield vector(
        "length-accepted",
        "l= where it is accepted",
        good(),
        f"{tags}; l=5",
        length=5,
        policy=(*on, "partial_body true"),
    )
    whole = len(BODY.translate(None, b" \t\r\n"))
    yield vector("length-all", "l= is the whole canonical body", good(), f"{tags}; l={whole}", length=whole)
    yield vector("length-too-long", "l= is beyond the body", bad("BODY_TOO_SHORT"), f"{tags}; l=500", length=500)
    yield vector("expired", "x= is over", bad("EXPIRED"), f"{tags}; x={NOW - 9999}".replace("t=1789999999; ", ""))
    yield vector(
        "identity", "i= and g= fit", good(), f"{tags}; i=alice@example.org", dns=(f"{NAME} g=alice; k=rsa; p={RSA}",)
    )
    yield vector(
        "granularity",
        "g= is another",
        bad("KEY_GRANULARITY"),
        f"{tags}; i=bob@example.org",
        dns=(f"{NAME} g=alice; k=rsa; p={RSA}",),
    )
    yield vector("gentxt", "the record of gentxt.csh", [*good(), "testing"], dns=(f"{NAME} g=; k=rsa; t=y; p={RSA}",))
    yield vector("from", "From is not signed", bad("FROM_NOT_SIGNED"), names="to:subject")
    yield vector("algorithm", "a=rsa-sha256", bad("UNKNOWN_ALGORITHM"), tags.replace("sha1", "sha256"))
    yield vector("canonicalization", "c=relaxed", bad("UNKNOWN_CANONICALIZATION"), tags.replace("nowsp", "relaxed"))
    yield vector("query", "q=http", bad("UNKNOWN_QUERY_METHOD"), f"{tags}; q=http")
    yield vector("no-h", "no h=", bad("MISSING_TAG"), tags.replace("; h={h}", ""))
    yield vector("v", "v= is there: a signature of today that lacks bh=", bad("MISSING_TAG"), f"v=1; {tags}")
    yield Vector("legacy-modern", "a signature of today where dkim_legacy is set", good(), policy=on)


def _large_key() -> str:
    """A SubjectPublicKeyInfo with a number of 9001 bits; nobody has the private key, and nobody needs it."""
    modulus = random.Random(9001).getrandbits(9001) | 1 << 9000 | 1
    data = (
        rsa.RSAPublicNumbers(65537, modulus).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    )
    return base64.b64encode(data).decode()


def all_vectors() -> list[Vector]:
    """Every vector, in the order of the files."""
    sources = (
        canonicalization_vectors,
        header_vectors,
        length_vectors,
        tag_vectors,
        time_vectors,
        key_vectors,
        algorithm_vectors,
        message_vectors,
        legacy_vectors,
    )
    return [vector for source in sources for vector in source()]


def all_files() -> dict[str, bytes]:
    """The contents of all files by name."""
    return {f"{vector.name}{suffix}": content for vector in all_vectors() for suffix, content in vector.files().items()}


def main() -> None:
    """Writes them."""
    for name, content in all_files().items():
        (HERE / "own" / name).write_bytes(content)


if __name__ == "__main__":
    main()
