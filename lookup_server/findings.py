"""What is known of one message, and what the queries say of it: `dkim`, `all`, `json`, `why dkim`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from exim_dkim.dkim.verify import Verdict
from exim_dkim.outcome import DkimResult
from exim_dkim.words import Key, Word, dkim_word
from lookup_server.reply import MAX_REPLY, one_line

MAX_TOLD: Final = 10
"""Signatures that `why` and the log tell of; a header can hold thousands."""


@dataclass(frozen=True, slots=True)
class Findings:
    """The verdicts on a message; or, when it was not verified, the one word for every key, and why."""

    verdicts: tuple[Verdict, ...] = ()
    word: Word | None = None
    why: str = ""

    def word_for(self, key: Key | None) -> Word:
        """The word for the signatures of `key`; None: for all signatures."""
        return self.word or dkim_word(self.verdicts, key)

    def chosen(self, key: Key | None) -> list[Verdict]:
        """The verdicts on the signatures of `key`, or on all."""
        return [v for v in self.verdicts if key is None or key.matches(v.signature)]

    @property
    def temporary(self) -> bool:
        """True when asking again later may find something else."""
        return self.word is not None or any(v.result is DkimResult.TEMPERROR for v in self.verdicts)


def tell_word(findings: Findings, key: Key | None) -> str:
    """`dkim KEY`."""
    return findings.word_for(key).value


def tell_all(findings: Findings, key: Key | None) -> str:
    """`all [KEY]`: `dkim=WORD dkim_domains="a.example:b.example"`, for `${extract{dkim}{...}}`."""
    return f'dkim={findings.word_for(key).value} dkim_domains="{":".join(_good_domains(findings))}"'


def tell_json(findings: Findings, key: Key | None) -> str:
    """`json [KEY]`: one object, for `${extract jsons{dkim}{...}}`. Signatures beyond the room are only counted."""
    chosen = findings.chosen(key)
    signatures: list[str] = []
    room = MAX_REPLY - 4096
    for verdict in chosen:
        signatures.append(json.dumps(_as_json(verdict)))
        room -= len(signatures[-1]) + 2
        if room < 0:
            signatures.pop()
            break
    told = {
        "dkim": findings.word_for(key).value,
        "dkim_domains": _good_domains(findings)[:MAX_TOLD],
        "why": findings.why,
        "omitted": len(chosen) - len(signatures),
    }
    return f'{json.dumps(told)[:-1]}, "signatures": [{", ".join(signatures)}]}}'


def tell_why(findings: Findings, key: Key | None) -> str:
    """`why dkim [KEY]`: the word, and what led to it."""
    word = findings.word_for(key)
    if findings.word:
        return f"{word.value}: {findings.why}"
    chosen = findings.chosen(key)
    if chosen:
        told = "; ".join(verdict.explanation for verdict in chosen[:MAX_TOLD])
        more = f"; and {len(chosen) - MAX_TOLD} more" if len(chosen) > MAX_TOLD else ""
        failing = " (a failing signature counts as none while its key says t=y)" if word is Word.UNSIGNED else ""
        return f"{word.value}: {told}{more}{failing}"
    if not findings.verdicts:
        return f"{word.value}: the message has no DKIM signature"
    others = dict.fromkeys(str(v.signature.domain or "?") for v in findings.verdicts)
    return f"{word.value}: no signature matches; the message has signatures of {', '.join([*others][:MAX_TOLD])}"


QUERIES: Final[Mapping[str, Callable[[Findings, Key | None], str]]] = {
    "dkim": tell_word,
    "all": tell_all,
    "json": tell_json,
    "why dkim": tell_why,
}
"""The queries about a message."""


def tell_log(findings: Findings) -> str:
    """One line for the log, in the manner of Exim's own `DKIM:` lines."""
    word = findings.word_for(None).value
    if findings.word:
        return f"dkim={word} [{findings.why}]"
    told = [_as_log(verdict) for verdict in findings.verdicts[:MAX_TOLD]]
    more = f" and {len(findings.verdicts) - MAX_TOLD} more" if len(findings.verdicts) > MAX_TOLD else ""
    return one_line(f"dkim={word}{''.join(told)}{more}", 900)


def _as_log(verdict: Verdict) -> str:
    signature = verdict.signature
    bits = f" b={verdict.key_bits}" if verdict.key_bits else ""
    detail = f" ({verdict.detail})" if verdict.detail else ""
    return (
        f" d={signature.domain or '?'} s={signature.selector or '?'} a={one_line(signature.algorithm, 20) or '?'}{bits}"
        f" [{verdict.result.value}: {verdict.reason.text}{detail}]"
    )


def _good_domains(findings: Findings) -> list[str]:
    good = (v.signature.domain for v in findings.verdicts if v.result is DkimResult.PASS)
    return [*dict.fromkeys(str(domain) for domain in good)]


def _as_json(verdict: Verdict) -> dict[str, str | int | bool | None]:
    signature = verdict.signature
    return {
        "domain": signature.domain,
        "selector": signature.selector,
        "identity": signature.identity or None,
        "algorithm": signature.algorithm or None,
        "result": verdict.result.value,
        "reason": verdict.reason.name.lower(),
        "explanation": verdict.explanation,
        "testing": verdict.testing,
        "key_bits": verdict.key_bits,
    }
