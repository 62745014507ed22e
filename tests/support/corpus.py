"""The corpus that compares expansions with the real Exim: cases, goldens, and how to make these again.

`tests/vectors/expansion/*.cases` hold tables: lines `% TEMPLATE` with `@@` in them, then inputs, each of which is put
into each template. `*.golden` hold what Exim gives, in the form of `same.txt`. After a change in the cases, as root:

python -m tests.support.corpus regenerate
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.support.differences import find_difference
from tests.support.expansion import MESSAGE_ID, VECTORS, Sandbox, escaped, unescaped

BATCH = 5000  # templates for one process of Exim


class Golden(NamedTuple):
    """A template, for a message, and what Exim gives; `ours` and the difference's name where we mean to differ."""

    template: bytes
    exim: bytes
    ours: bytes
    difference: str = ""
    message: str = ""


def read_cases(path: Path) -> list[bytes]:
    """The templates of a file of cases, each once, in order."""
    found: dict[bytes, None] = {}
    for patterns, inputs in _tables(path.read_bytes().split(b"\n")):
        for pattern in patterns:
            for text in inputs:
                template = pattern.replace(b"@@", text).strip(b" \t")
                if is_one_line(template):
                    found[template] = None
    return list(found)


def is_one_line(template: bytes) -> bool:
    """True if `exim -be` takes the line as it is: neither empty, continued, too long nor the definition of a macro."""
    return (
        0 < len(template) < 1000 and not template.endswith(b"\\") and not (template[:1].isupper() and b"=" in template)
    )


def _tables(lines: Sequence[bytes]) -> Iterator[tuple[list[bytes], list[bytes]]]:
    """Patterns and inputs. Comments and the empty line before patterns or comments belong to neither."""
    patterns: list[bytes] = []
    inputs: list[bytes] = []
    for line, following in zip(lines, [*lines[1:], b""], strict=True):
        if line.startswith(b"% "):
            if inputs:
                yield patterns, inputs
                patterns, inputs = [], []
            patterns.append(line[2:])
        elif not line.startswith(b"# ") and patterns and (line or not following.startswith((b"# ", b"% "))):
            inputs.append(line)
    yield patterns, inputs


def read_goldens(path: Path) -> list[Golden]:
    """The goldens of a file."""
    goldens: list[Golden] = []
    template = b""
    message = ""
    for line in path.read_bytes().split(b"\n"):
        mark, text = line[:2], line[2:]
        if mark == b"$ ":
            template = text
        elif mark == b"= ":
            exim = unescaped(text)
            goldens.append(Golden(template, exim, exim, "", message))
        elif mark == b"~ ":
            goldens[-1] = goldens[-1]._replace(ours=unescaped(text))
        elif mark == b"# ":
            goldens[-1] = goldens[-1]._replace(difference=text.decode())
        elif mark == b"@ ":
            message = text.decode()
    return goldens


def write_goldens(path: Path, goldens: Iterable[Golden]) -> None:
    """Store goldens."""
    lines = []
    message = ""
    for golden in goldens:
        if golden.message != message:
            message = golden.message
            lines.append(b"@ " + message.encode())
        lines += [b"$ " + golden.template, b"= " + escaped(golden.exim)]
        if golden.difference:
            lines += [b"~ " + escaped(golden.ours), b"# " + golden.difference.encode()]
    path.write_bytes(b"\n".join(lines) + b"\n")


_TYPES = {b"bcc": b"B", b"cc": b"C", b"from": b"F", b"received": b"P", b"reply-to": b"R", b"sender": b"S", b"to": b"T"}


def read_messages(path: Path) -> dict[str, bytes]:
    """The -H files of a file of headers, by name. Only the envelope is that of `message-H`."""
    envelope = (VECTORS / "message-H").read_bytes().partition(b"\n\n")[0].partition(b"\n")[2]
    messages: dict[str, bytes] = {}
    name = ""
    for line in path.read_bytes().splitlines():
        if line.startswith(b"@ "):
            name = line[2:].decode()
            messages[name] = b"1xUwUc-%06d-1c-H\n%s\n\n" % (len(messages), envelope)
        elif not line.startswith(b"# "):
            text = unescaped(line.removeprefix(b"*")) + b"\n"
            bare = text.partition(b":")[0].strip().lower().removeprefix(b"resent-")
            kind = b"*" if line.startswith(b"*") else _TYPES.get(bare, b" ")
            messages[name] += b"%03d%s %s" % (len(text), kind, text)
    return messages


def compare_headers(sandbox: Sandbox) -> list[Golden]:
    """Goldens of all templates about headers, for every message."""
    templates = (VECTORS / "headers.templates").read_bytes().splitlines()
    goldens = []
    for name, header in read_messages(VECTORS / "headers.messages").items():
        message_id = sandbox.add_message(header)
        goldens += [golden._replace(message=name) for golden in compare(sandbox, templates, message_id)]
    return goldens


def ask_exim(sandbox: Sandbox, templates: Sequence[bytes], message_id: str = MESSAGE_ID) -> list[bytes]:
    """What Exim gives, many templates in one process. It keeps look-ups and captures: see `compare`."""
    results = []
    for start in range(0, len(templates), BATCH):
        results += sandbox.exim(templates[start : start + BATCH], message_id)
    return results


def is_failure(result: bytes) -> bool:
    """True for an error message."""
    return result.startswith(b"Failed: ")


def compare(sandbox: Sandbox, templates: Sequence[bytes], message_id: str = MESSAGE_ID) -> list[Golden]:
    """Goldens of templates. Where Exim differs from us it is asked again, in a process of its own.

    A golden whose `ours` is not `exim` and that has no `difference` is a fault.
    """
    goldens = []
    for template, exim in zip(templates, ask_exim(sandbox, templates, message_id), strict=True):
        ours = sandbox.ours(template, message_id)
        if ours != exim:
            (exim,) = sandbox.exim([template], message_id)
        difference = find_difference(template, exim, ours) if ours != exim else ""
        goldens.append(Golden(template, exim, ours, difference))
    return goldens


def faults(goldens: Iterable[Golden]) -> list[Golden]:
    """Where we do not give what Exim gives, and no difference says why."""
    return [golden for golden in goldens if golden.ours != golden.exim and not golden.difference]


def _store(path: Path, goldens: Sequence[Golden]) -> int:
    """Write goldens and say what no difference explains; 1 if there is any."""
    write_goldens(path, goldens)
    wrong = faults(goldens)
    for golden in wrong:
        sys.stdout.write(f"$ {golden.message} {golden.template!r}\n  Exim {golden.exim!r}\n  ours {golden.ours!r}\n")
    sys.stdout.write(f"{path.name}: {len(goldens)} cases, {len(wrong)} not explained\n")
    return int(bool(wrong))


def main(arguments: Sequence[str]) -> int:
    """Make the goldens again; what cannot be explained is printed, and stored as it should be."""
    if list(arguments) != ["regenerate"]:
        sys.stderr.write("usage: python -m tests.support.corpus regenerate\n")
        return 2
    status = 0
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        sandbox = Sandbox(Path(directory) / "sandbox")
        for path in sorted(VECTORS.glob("*.cases")):
            status |= _store(path.with_suffix(".golden"), compare(sandbox, read_cases(path)))
        status |= _store(VECTORS / "headers.golden", compare_headers(sandbox))
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
