"""The vectors on which a peer's finding is not ours, and why. Each was seen; one not true any more fails."""

from __future__ import annotations

from typing import NamedTuple

DKIMPY, MAIL_DKIM, LIBOPENDKIM = "dkimpy", "Mail::DKIM", "libopendkim"


class Unlike(NamedTuple):
    """A reason, and for each peer the vectors that it explains."""

    reason: str
    vectors: dict[str, tuple[str, ...]]


_TIME = ("time-fresh", "time-future", "time-just-expired")
_POLICY = ("algorithm-sha1", "key-1024-policy", "key-large-policy", "message-nine-signatures")

UNLIKE = (
    # Not a difference of opinion
    Unlike(
        "The peers look at the clock, the vectors have a time of their own. None of them refuses a t= in the future.",
        {DKIMPY: _TIME, MAIL_DKIM: _TIME, LIBOPENDKIM: _TIME},
    ),
    Unlike(
        "Local policy that the peer does not have, or not by default: SHA-1 (RFC 8301 §3.1), sizes of keys, number of "
        "signatures.",
        {DKIMPY: _POLICY, MAIL_DKIM: (*_POLICY, "key-small"), LIBOPENDKIM: _POLICY},
    ),
    Unlike("This version of the peer knows no Ed25519.", {MAIL_DKIM: ("algorithm-ed25519", "rfc8463-a")}),
    Unlike(
        "The peer knows no U-labels (RFC 8616).",
        {
            DKIMPY: ("message-international",),
            MAIL_DKIM: ("message-international",),
            LIBOPENDKIM: ("message-international",),
        },
    ),
    # The peer is laxer
    Unlike(
        "The peer accepts a second From or Subject above the signed one; RFC 6376 §8.15 lets the verifier choose. "
        "dkimpy refuses a second From.",
        {
            DKIMPY: ("header-two-subject",),
            MAIL_DKIM: ("header-two-from", "header-two-subject"),
            LIBOPENDKIM: ("header-two-from", "header-two-subject"),
        },
    ),
    Unlike(
        "The peer accepts text below l=, which RFC 6376 §8.2 warns of; here that is policy.",
        {
            DKIMPY: ("length-appended", "length-zero"),
            MAIL_DKIM: ("length-appended",),
            LIBOPENDKIM: ("length-appended", "length-zero"),
        },
    ),
    Unlike(
        "The peer hashes what there is when l= is beyond the end of the body (§3.5: MUST NOT be).",
        {DKIMPY: ("length-huge", "length-too-long"), MAIL_DKIM: ("length-huge", "length-too-long")},
    ),
    Unlike(
        "§5.4: From MUST be signed; §6.1.1: else PERMFAIL.",
        {
            DKIMPY: ("header-from-not-signed",),
            MAIL_DKIM: ("header-from-not-signed",),
        },
    ),
    Unlike(
        "§3.2 and §3.5: lists with a tag twice, a malformed name or value, or without v= or bh= are not signatures.",
        {
            MAIL_DKIM: (
                *("tag-bad-b", "tag-bad-bh", "tag-bad-name", "tag-duplicate", "tag-missing-bh", "tag-missing-v"),
                "time-not-a-number",
            ),
            LIBOPENDKIM: ("tag-bad-b", "tag-bad-domain", "tag-bad-name", "tag-duplicate", "tag-query"),
        },
    ),
    Unlike(
        "§3.6.1: a key record has each tag once; h= and t=s bind. dkimpy ignores h= and t=s.",
        {
            DKIMPY: ("key-hash", "key-strict-identity"),
            MAIL_DKIM: ("key-duplicate",),
            LIBOPENDKIM: ("key-duplicate",),
        },
    ),
    Unlike(
        "A line in the header that is no field (§3.8: what is malformed may be refused). The peer takes it for one, or "
        "leaves it out; Exim would begin the body there.",
        {
            MAIL_DKIM: ("header-malformed-bare-lf", "header-malformed-line", "header-malformed-words"),
            LIBOPENDKIM: ("header-malformed-bare-lf", "header-malformed-words"),
        },
    ),
    # The peer is stricter, or wrong
    Unlike(
        "The peer looks at the first TXT record only (§3.6.2.2 leaves several undefined).",
        {DKIMPY: ("key-several-records",), MAIL_DKIM: ("key-several-records",), LIBOPENDKIM: ("key-several-records",)},
    ),
    Unlike(
        "§3.2 allows white space around the elements of a list, as in q=a : b, h=a : b, s=a : b.",
        {DKIMPY: ("key-services", "tag-query-list"), MAIL_DKIM: ("key-hashes", "key-services", "tag-query-list")},
    ),
    Unlike(
        "§3.7: the white space around the value of b= is deleted with it; dkimpy leaves what stands before the `;`.",
        {
            DKIMPY: ("tag-after-b", "tag-final-semicolon"),
        },
    ),
    Unlike(
        "§3.2 allows white space between the tag's name and its equals sign; libopendkim cannot find such a b=.",
        {LIBOPENDKIM: ("tag-b-spaced",)},
    ),
    Unlike(
        "RFC 5322 §4.5.8 (obsolete syntax) has blanks before the colon; dkimpy refuses the whole message.",
        {
            DKIMPY: ("header-folded-relaxed", "header-folded-simple"),
        },
    ),
    Unlike(
        "A CR or LF alone cannot come over SMTP (RFC 5321 §2.3.8). The peers make it a line end, or drop it.",
        {
            DKIMPY: ("body-bare-lf-relaxed", "body-bare-lf-simple"),
            MAIL_DKIM: ("body-bare-cr-simple",),
            LIBOPENDKIM: ("body-bare-cr-relaxed", "body-bare-cr-simple", "body-bare-lf-simple"),
        },
    ),
    Unlike(
        "A body without a final CRLF; see DISPUTED in test_dkim_peers.py.",
        {
            MAIL_DKIM: ("body-no-final-newline-simple",),
            LIBOPENDKIM: ("body-no-final-newline-relaxed",),
        },
    ),
    # The peer says nothing where we have a verdict
    Unlike(
        "The peer refuses the whole message for such a line in its header.",
        {
            DKIMPY: ("header-malformed-fold", "header-malformed-line", "header-malformed-words"),
            LIBOPENDKIM: ("header-malformed-fold", "header-malformed-line"),
        },
    ),
    Unlike(
        "The peer does not list a signature that it cannot parse.",
        {
            MAIL_DKIM: ("tag-no-value",),
            LIBOPENDKIM: (
                *("tag-missing-a", "tag-missing-b", "tag-missing-d", "tag-missing-h", "tag-missing-s", "tag-missing-v"),
                *("tag-no-value", "time-not-a-number"),
            ),
        },
    ),
)


def unlike(peer: str) -> set[str]:
    """The vectors of `peer`."""
    return {vector for row in UNLIKE for vector in row.vectors.get(peer, ())}
