"""What `exim-dkim spf` and `exim-dkim senderid` tell alike: DNS answers, JSON, exit status."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence

from exim_dkim.commands.exits import ExitStatus
from exim_dkim.commands.output import Column, TableWriter
from exim_dkim.outcome import SpfResult
from exim_dkim.resolver import Answer, Question, RecordType, Resolver
from exim_dkim.senderid.evaluate import SenderIdVerdict
from exim_dkim.spf import SpfVerdict

TRACE_COLUMNS = (Column("DNS"), Column("name", fold=True), Column("type"), Column("answer", fold=True))

STATUSES = {
    SpfResult.PASS: ExitStatus.OK,
    SpfResult.FAIL: ExitStatus.BAD,
    SpfResult.SOFTFAIL: ExitStatus.BAD,
    SpfResult.NEUTRAL: ExitStatus.BAD,
    SpfResult.PERMERROR: ExitStatus.BAD,
    SpfResult.NONE: ExitStatus.UNSIGNED,
    SpfResult.TEMPERROR: ExitStatus.TEMPORARY,
}


class Tracer:
    """A resolver that hands questions on and keeps the answers, each once; one domain's records can be pretended."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._answers: dict[Question, Answer] = {}

    @property
    def answers(self) -> Sequence[Answer]:
        """All that were used so far, in order."""
        return list(self._answers.values())

    def pretend(self, domain: str, *records: bytes) -> None:
        """Let these be all TXT records of `domain`."""
        question = Question(domain.removesuffix(".").lower(), RecordType.TXT)
        self._answers[question] = Answer(question, records, detail="--record")

    async def resolve(self, *questions: Question) -> Sequence[Answer]:
        """The answers, in the order asked."""
        new = [question for question in questions if question not in self._answers]
        if new:
            self._answers.update(zip(new, await self._resolver.resolve(*new), strict=True))
        return [self._answers[question] for question in questions]


def show_trace(answers: Sequence[Answer]) -> None:
    """A line for each DNS answer."""
    trace = TableWriter(TRACE_COLUMNS)
    for answer in answers:
        trace.add("dns", answer.question.name, answer.question.type.name, answer_text(answer))
    trace.flush()


def answer_text(answer: Answer) -> str:
    """An answer for people."""
    if answer.trouble is not None:
        return answer.trouble.name + (f" ({answer.detail})" if answer.detail else "")
    return "; ".join(_record_text(record, answer.question.type) for record in answer.records)


def _record_text(record: bytes, record_type: RecordType) -> str:
    if record_type in (RecordType.A, RecordType.AAAA):
        return str(ipaddress.ip_address(record))
    text = record.decode("utf-8", "backslashreplace")
    return f'"{text}"' if record_type is RecordType.TXT else text


def evaluation_object(
    verdict: SpfVerdict | SenderIdVerdict, about: Mapping[str, object], answers: Sequence[Answer] | None
) -> dict[str, object]:
    """One evaluation for JSON. `about`: whom it is about; `answers`: of the DNS, if they are to be told."""
    found: dict[str, object] = {
        "result": verdict.result.value,
        "reason": verdict.reason.name.lower(),
        "explanation": verdict.explanation,
        **about,
        "mechanism": verdict.mechanism or None,
        "detail": verdict.detail or None,
        "text": verdict.text or None,
        "lookups": verdict.lookups,
        "void_lookups": verdict.void_lookups,
    }
    if answers is not None:
        found["dns"] = trace_objects(answers)
    return found


def trace_objects(answers: Sequence[Answer]) -> list[dict[str, str]]:
    """DNS answers for JSON."""
    return [
        {"name": answer.question.name, "type": answer.question.type.name, "answer": answer_text(answer)}
        for answer in answers
    ]
