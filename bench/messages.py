"""The messages of the benchmark: about 20 header fields, text with soft paragraphs, base64 attachments; wire form."""

from __future__ import annotations

import base64
import random

_SENTENCES = (
    "The minutes of the last meeting are attached; please send corrections before Thursday.",
    "We moved the second rack on Tuesday evening, and nobody noticed, which was the plan.",
    "Could you have a look at the numbers in the third column?  They do not add up.",
    "Shipping takes four to six working days; a tracking number follows in a separate mail.",
    "Regarding your question: yes, the old address keeps working until the end of the year.",
    "\tIndented with a tab,  and with two  blanks in places, as people write.",
    "> quoted text from an earlier message, kept short ",
    "-- ",
)

_HEADER = """\
Return-Path: <bounce+{tag}@lists.example.org>
Received: from mx3.example.net (mx3.example.net [192.0.2.33])
\tby mail.example.com (Exim 4.98) with esmtps  (TLS1.3) tls TLS_AES_256_GCM_SHA384
\t(envelope-from <alice@example.org>)
\tid {tag}-00000000abc-1xyz
\tfor bob@example.com;
\tMon, 02 Nov 2026 09:15:42 +0000
Received: from app7.internal.example.org ([198.51.100.7] helo=app7.internal.example.org)
\tby mx3.example.net with esmtpsa (Exim 4.98) id {tag}-0003Fk-Qw;
\tMon, 02 Nov 2026 09:15:40 +0000
From: "Alice Example (Office)" <alice@example.org>
To: Bob Example <bob@example.com>,
 Carol Example <carol@example.com>,
 "Dan, D." <dan@example.net>
Cc: team@lists.example.org
Reply-To: Alice Example <alice@example.org>
Subject: =?UTF-8?Q?Re=3A_Minutes_of_the_meeting_=E2=80=93_second_version?=
 with corrections ({tag})
Date: Mon, 2 Nov 2026 09:15:39 +0000
Message-ID: <{tag}.20261102091539@app7.internal.example.org>
In-Reply-To: <5f2b61c0-9a61-4c0e-bb1d-0d2a6f64f1fb@example.com>
References: <8d3c6b3e-3f0d-4b3f-8f43-9b1ef6a9c001@example.com>
 <5f2b61c0-9a61-4c0e-bb1d-0d2a6f64f1fb@example.com>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="=_{tag}_boundary"
Content-Language: en-GB
User-Agent: Example Mail/128.4.0
List-Id: Team <team.lists.example.org>
List-Unsubscribe: <mailto:team-leave@lists.example.org>
X-Priority: 3
X-Spam-Score: -1.9 (-)
"""


def make_message(size: int, tag: str = "m0001") -> bytes:
    """A message of about `size` bytes: a text part of up to 16 KB, the rest base64; the same for the same arguments."""
    source = random.Random(f"{size} {tag}")
    header = _HEADER.format(tag=tag).replace("\n", "\r\n").encode()
    opening = f"--=_{tag}_boundary\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n".encode()
    closing = f"--=_{tag}_boundary--\r\n".encode()
    room = size - len(header) - len(opening) - len(closing) - 2
    text_size = min(room * 2 // 3, 16_000)
    parts = [header, b"\r\n", opening, _text(source, text_size)]
    left = room - text_size - 160
    if left > 0:
        parts.append(
            f"\r\n--=_{tag}_boundary\r\nContent-Type: application/octet-stream; name=data.bin\r\n"
            "Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=data.bin\r\n\r\n".encode()
        )
        raw = source.randbytes(left * 57 // 78)
        parts.append(base64.encodebytes(raw).replace(b"\n", b"\r\n"))
    parts.append(closing)
    return b"".join(parts)


def _text(source: random.Random, size: int) -> bytes:
    lines: list[str] = []
    length = 0
    while length < size:
        line = "" if source.random() < 0.2 else source.choice(_SENTENCES)
        lines.append(line)
        length += len(line) + 2
    return "\r\n".join([*lines, ""]).encode()
