"""From findings to the reply, by the query."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from exim_dkim.authentication import Method, authentication_results
from exim_dkim.dkim.verify import Verdict
from exim_dkim.outcome import SpfResult
from exim_dkim.senderid.evaluate import SenderIdVerdict
from lookup_server.claims import tell_foreign, tell_forged
from lookup_server.findings import MAX_TOLD, Findings, SignatureVerdict, explain
from lookup_server.query import NAMES, Query
from lookup_server.reply import MAX_REPLY, format_reply

JSON_MARGIN: Final = 16 * 1024
"""Bytes of a reply that `json` keeps for what is not a signature."""


def tell(query: Query, findings: Findings, authserv_id: str) -> bytes:
    """The reply to a query about a message or an envelope."""
    match query.name.split(" "):
        case ["all"]:
            return format_reply(_all(query, findings))
        case ["json"]:
            return format_reply(_json(query, findings))
        case ["authres"]:
            return authentication_results(findings.authentication, authserv_id).replace(b"\r\n", b"\n")
        case ["forged"]:
            return tell_forged(findings.claims)
        case ["foreign"]:
            return tell_foreign(findings.claims, MAX_REPLY)
        case ["why", _]:
            return format_reply(explain(findings, query.methods[0], query.key))
        case ["smtp", _]:
            return format_reply(_smtp(findings, query.methods[0]))
        case _:
            return format_reply(findings.word(query.methods[0], query.key))


def _all(query: Query, findings: Findings) -> str:
    """`all [KEY]`: `dkim=WORD dkim_domains="a.example:b.example" spf=WORD ...`, for `${extract{dkim}{...}}`."""
    told: list[str] = []
    for method in query.methods:
        told.append(f"{NAMES[method]}={findings.word(method, query.key)}")
        if method.wants_body:
            told.append(f'{NAMES[method]}_domains="{":".join(findings.good_domains(method))}"')
    return " ".join([*told, f"forged={tell_forged(findings.claims).decode()}"])


def _json(query: Query, findings: Findings) -> str:
    """`json [KEY]`: one object, for `${extract jsons{dkim}{...}}`. Signatures beyond the room are only counted."""
    told: dict[str, object] = {}
    lists: list[str] = []
    room = MAX_REPLY - JSON_MARGIN
    omitted = 0
    for method in query.methods:
        name = NAMES[method]
        told[name] = findings.word(method, query.key)
        if not method.wants_body:
            told[f"{name}_detail"] = _detail(findings, method)
            continue
        told[f"{name}_domains"] = findings.good_domains(method)[:MAX_TOLD]
        chosen = findings.chosen(method, query.key)
        signatures: list[str] = []
        for verdict in chosen:
            text = json.dumps(_signature(verdict))
            room -= len(text) + 2
            if room < 0:
                break
            signatures.append(text)
        omitted += len(chosen) - len(signatures)
        lists.append(f'"{_LISTS[method]}": [{", ".join(signatures)}]')
    why = {NAMES[method]: text for method in query.methods if (text := findings.obstacle(method))}
    told |= {"forged": findings.claims.forged, "why": why, "omitted": omitted}
    return ", ".join([json.dumps(told)[:-1], *lists]) + "}"


_LISTS: Final[Mapping[Method, str]] = {Method.DKIM: "signatures", Method.DOMAINKEYS: "domainkeys_signatures"}


def _signature(verdict: SignatureVerdict) -> dict[str, str | int | bool | None]:
    signature = verdict.signature
    own: dict[str, str | int | bool | None]
    if isinstance(verdict, Verdict):
        own = {"identity": verdict.signature.identity or None, "algorithm": verdict.signature.algorithm or None}
    else:
        policy, sender = verdict.domain_policy, verdict.sender
        own = {"sender": sender.address if sender else None, "signs_all": policy.signs_all if policy else None}
    return {
        "domain": signature.domain,
        "selector": signature.selector,
        **own,
        "result": verdict.result.value,
        "reason": verdict.reason.name.lower(),
        "explanation": verdict.explanation,
        "testing": verdict.testing,
        "key_bits": verdict.key_bits,
    }


def _detail(findings: Findings, method: Method) -> dict[str, str | int | None] | None:
    verdict = findings.verdict(method)
    if verdict is None:
        return None
    return {
        "reason": verdict.reason.name.lower(),
        "domain": verdict.domain or None,
        "address": (verdict.address if isinstance(verdict, SenderIdVerdict) else verdict.sender) or None,
        "field": (verdict.field or None) if isinstance(verdict, SenderIdVerdict) else None,
        "mechanism": verdict.mechanism or None,
        "text": verdict.text or None,
        "lookups": verdict.lookups,
        "explanation": verdict.explanation,
    }


def _smtp(findings: Findings, method: Method) -> str:
    """The text of an SMTP reply, ASCII. What the domain itself says is marked as its own (RFC 7208 §6.2, §8.4)."""
    verdict = findings.verdict(method)
    subject = _SUBJECTS[method]
    if verdict is None:
        return f"{subject} could not be checked now"
    if verdict.result is SpfResult.PASS:
        return f"{subject} passed"
    if verdict.text:
        return f"{subject} failed; {verdict.domain} explains: {verdict.text}"
    client = findings.authentication.envelope.client
    if verdict.result in (SpfResult.FAIL, SpfResult.SOFTFAIL) and client and verdict.mechanism:
        return f"{subject} failed: {client} is not permitted to send mail for {verdict.domain}"
    name = f"{verdict.domain}: " if verdict.domain else ""
    return f"{subject}: {verdict.result.value} ({name}{verdict.reason.text})"


_SUBJECTS: Final[Mapping[Method, str]] = {
    Method.SPF: "SPF check of MAIL FROM",
    Method.SPF_HELO: "SPF check of HELO",
    Method.SENDERID: "Sender ID check",
    Method.SENDERID_MFROM: "Sender ID check of MAIL FROM",
}
