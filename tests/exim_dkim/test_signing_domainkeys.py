"""From the domainkeys_* options to signatures, beside DKIM and without it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from exim_dkim.config.settings import Settings
from exim_dkim.dkim.verify import verify as verify_dkim
from exim_dkim.errors import SigningError
from exim_dkim.expansion import EmptyEnvironment, Value
from exim_dkim.hashing import BodyHasher
from exim_dkim.message import HeaderField, parse_message
from exim_dkim.policy import VerificationPolicy
from exim_dkim.signing import SigningPlan, plan_signatures, signature_fields
from tests.support import mail
from tests.support.domainkeys import judge
from tests.support.run import run

PARSED = parse_message(mail.MESSAGE)
DOMAINKEYS = {
    "domainkeys_domain": "example.org",
    "domainkeys_selector": "sel",
    "domainkeys_private_key": mail.pem().decode().replace("\n", "\\n"),
}
DKIM = {name.replace("domainkeys", "dkim"): value for name, value in DOMAINKEYS.items()}


class WithSender(EmptyEnvironment):
    """One that knows a tainted $sender_address."""

    def variable(self, name: bytes) -> Value | None:
        """See `Environment`."""
        return Value(b"x", True) if name == b"sender_address" else None


def refuse(path: str) -> bytes:
    raise AssertionError(f"{path} was read")


def plan(options: dict[str, str], fields: tuple[HeaderField, ...] = PARSED.fields) -> SigningPlan:
    settings = Settings().replaced({name: value.encode() for name, value in options.items()})
    return plan_signatures(settings, EmptyEnvironment(), fields, mail.NOW, refuse)


def signed(options: dict[str, str]) -> bytes:
    made = plan(options)
    hasher = BodyHasher()
    hashes = made.body_hashes(hasher)
    hasher.update(PARSED.body)
    hasher.finish()
    return signature_fields(made, PARSED.fields, hashes) + mail.MESSAGE


def reasons(message: bytes) -> tuple[list[str], list[str]]:
    dkim = run(verify_dkim(parse_message(message), mail.resolver(), VerificationPolicy(), mail.NOW))
    return [verdict.reason.name for verdict in dkim], [verdict.reason.name for verdict in judge(message)]


def test_domainkeys_alone() -> None:
    message = signed(DOMAINKEYS)
    assert message.startswith(b"DomainKey-Signature: a=rsa-sha1; q=dns; c=nofws; d=example.org; s=sel; b=")
    assert reasons(message) == ([], ["GOOD"])
    made = plan(DOMAINKEYS)
    assert (made.signs, made.signers, made.notes) == (True, "domainkeys d=example.org s=sel", ())


def test_both_in_their_order() -> None:
    message = signed({**DKIM, **DOMAINKEYS})
    names = [field.name for field in parse_message(message).fields]
    assert names[:2] == [b"dkim-signature", b"domainkey-signature"]
    assert reasons(message) == (["GOOD"], ["GOOD"])
    assert plan({**DKIM, **DOMAINKEYS}).signers == "d=example.org s=sel domainkeys d=example.org s=sel"


@pytest.mark.parametrize("prefix", ["", "=", "+"])
def test_dkim_may_sign_the_other_signature(prefix: str) -> None:
    message = signed({**DKIM, **DOMAINKEYS, "dkim_sign_headers": f"From:{prefix}DomainKey-Signature"})
    assert reasons(message) == (["GOOD"], ["GOOD"])
    changed = message.replace(b"q=dns; c=nofws;", b"c=nofws; q=dns;")
    assert changed != message
    assert reasons(changed) == (["SIGNATURE_MISMATCH"], ["GOOD"])


@pytest.mark.parametrize("canon", ["simple", "nofws"])
@pytest.mark.parametrize("headers", ["", "From:To", "*"])
def test_canonicalization_and_h(canon: str, headers: str) -> None:
    message = signed({**DOMAINKEYS, "domainkeys_canon": canon, "domainkeys_sign_headers": headers})
    assert f"c={canon};".encode() in message
    assert (b" h=" in message.partition(b"\r\n\r\n")[0] or b"\th=" in message) is bool(headers)
    assert reasons(message) == ([], ["GOOD"])


def test_the_variables() -> None:
    key = DOMAINKEYS["domainkeys_private_key"]
    options = {
        "domainkeys_domain": "other.example : example.org",
        "domainkeys_selector": "${if eq{$domainkeys_domain}{example.org}{sel}{x}}",
        "domainkeys_private_key": "${if eq{$domainkeys_selector}{sel}{" + key + "}{0}}",
    }
    assert reasons(signed(options)) == ([], ["GOOD"])


@pytest.mark.parametrize(
    ("options", "note"),
    [
        ({"domainkeys_selector": ""}, "domainkeys_selector is not set"),
        ({"domainkeys_private_key": "0"}, "domainkeys_private_key is empty, 0 or false for example.org"),
        ({"domainkeys_domain": "other.example"}, "domainkeys_domain does not name example.org or a domain above it"),
        ({"domainkeys_domain": "${if eq{a}{b}{x}}"}, "domainkeys_domain does not name example.org"),
        ({"domainkeys_selector": "${if eq{a}{b}{x}}"}, "domainkeys_selector is empty for example.org"),
    ],
)
def test_not_signed(options: dict[str, str], note: str) -> None:
    made = plan({**DOMAINKEYS, **options})
    assert made.domainkeys is None
    assert any(line.startswith(f"no DomainKeys signature: {note}") for line in made.notes), made.notes
    assert plan({**DKIM, **DOMAINKEYS, **options}).signatures


@pytest.mark.parametrize(
    ("fields", "note"),
    [
        ((HeaderField(b"to", b"To: x"),), "neither Sender nor From is signed"),
        ((HeaderField(b"from", b"From: x"),), "has no usable address"),
        ((HeaderField(b"from", b"From: a@example.org"), HeaderField(b"", b"junk")), "a line that is no field"),
    ],
)
def test_a_message_that_is_not_for_it(fields: tuple[HeaderField, ...], note: str) -> None:
    assert note in plan(DOMAINKEYS, fields).notes[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"domainkeys_canon": "relaxed"}, "it must be nofws or simple"),
        ({"domainkeys_domain": "a..b"}, "not a domain name"),
        ({"domainkeys_selector": "a..b"}, "not a selector"),
        ({"domainkeys_selector": "${nonsense}"}, "failed to expand domainkeys_selector"),
        ({"domainkeys_private_key": "junk"}, "the text of domainkeys_private_key: this is not a private key"),
        ({"domainkeys_private_key": mail.pem("ed25519").decode().replace("\n", "\\n")}, "an RSA key"),
        ({"domainkeys_sign_headers": "a b"}, "From"),
    ],
)
def test_faults(options: dict[str, str], message: str) -> None:
    if "domainkeys_sign_headers" in options:  # a name that no field has is not signed
        assert plan({**DOMAINKEYS, **options}).domainkeys is not None
        return
    with pytest.raises(SigningError, match=message):
        plan({**DOMAINKEYS, **options})


def test_a_tainted_key_file() -> None:
    settings = Settings().replaced(
        {name: value.encode() for name, value in {**DOMAINKEYS, "domainkeys_private_key": "/$sender_address"}.items()}
    )
    with pytest.raises(SigningError, match=r"for domainkeys_private_key: .*\$\{lookup\{\$domainkeys_domain\.pem\}"):
        plan_signatures(settings, WithSender(), PARSED.fields, mail.NOW, refuse)


def test_nothing_of_it_is_imported_without_the_option() -> None:
    program = (
        "import sys, exim_dkim.signing as s; from exim_dkim.config.settings import Settings;"
        "from exim_dkim.expansion import EmptyEnvironment;"
        "s.plan_signatures(Settings(), EmptyEnvironment(), (), 0, None);"
        "print([name for name in sys.modules if 'domainkeys' in name])"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True, timeout=60) == "[]\n"
