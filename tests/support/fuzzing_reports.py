"""What the fuzzing of reports runs: whatever a message has in it, its reports are mail that says who asked for it."""

from __future__ import annotations

import email
import email.policy

from exim_dkim.authentication import Authentication
from exim_dkim.dkim.verify import verify
from exim_dkim.memory import MemoryResolver
from exim_dkim.message import parse_message, to_wire
from exim_dkim.policy import VerificationPolicy
from exim_dkim.reports import FailureReport, failures, find_recipient, format_report, is_answerable
from exim_dkim.reports.redact import redact, told_fields
from exim_dkim.resolver import Answer, Question
from tests.support.run import run

REPORTED = [
    b"DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=s; h=From:To:Subject; r=y; bh=YQ==; b=YQ==\r\n"
    b"From: Alice <alice@example.org>\r\nTo: bob@rx.example\r\nSubject: x\r\n\r\nbody\r\n",
    b"DKIM-Signature: v=2; d=sub.example.org; s=s; h=From; r=y; b=YQ==\r\nFrom: a@b.example\r\n\r\n",
]


class _Asked:
    """Answers every question: keys are not there, report records are."""

    async def resolve(self, *questions: Question) -> list[Answer]:
        """A report record for whatever is asked of one, and nothing else."""
        record = (b"ra=reports",)
        return [Answer(each, record if each.name.startswith("_report.") else ()) for each in questions]


def report(data: bytes) -> None:
    """Every report that a message causes."""
    message = parse_message(to_wire(data))
    verdicts = run(verify(message, MemoryResolver({}), VerificationPolicy(), 0))
    is_answerable(message.fields, data[:20])
    for failure in failures(Authentication(dkim=verdicts)):
        recipient = run(find_recipient(failure, _Asked(), 0))
        assert recipient == f"reports@{failure.domain}"
        fields = told_fields(message.fields, failure, b"key")
        sender = redact(data[:50], failure.domain, b"key")
        made = format_report(FailureReport(failure, "a@rx.example", recipient, "rx", 0, sender, fields=fields), 0, "x")
        parsed = email.message_from_bytes(made, policy=email.policy.default)
        assert parsed["To"] == recipient
        assert len(parsed.get_payload()) == 3
        assert made.isascii()
