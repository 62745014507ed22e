"""What `exim-dkim exim-config` prints, cut out of `examples/exim.conf`. After a change there:

python -m tests.support.exim_templates
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

CHECKOUT = Path(__file__).parents[2]
EXAMPLE = CHECKOUT / "examples" / "exim.conf"
TEMPLATES = CHECKOUT / "exim_dkim" / "commands" / "templates"

YOURS: Final = "# ... your own statements: who may relay, which recipients exist ..."
RULE: Final = "\n\n####"

# A part: pieces of the example, each from a text up to (not including) another one.
PARTS: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "lookup": (("# ${acl {lookup_dkim}{KEY}}", RULE),),
    "rcpt": (
        ("acl_check_rcpt:\n", "  deny   message = relay not permitted"),
        ("  # SPF, once for a sender", "  accept\n"),
    ),
    "data": (("acl_check_data:\n", "\n\n.ifdef NATIVE_DKIM"),),
    "router": (
        ("# Mail of our own clients and local users goes out signed", ".ifndef SMART_HOST"),
        ("outgoing_signed:\n  driver = dnslookup", "\noutgoing:"),
    ),
    "transport": (("# Signs. What matters about transport_filter:", ".ifdef SMART_HOST"),),
}
BETWEEN: Final = {"rcpt": f"\n{YOURS}\n\n", "router": ""}
# Words that only make sense where the whole file is.
REPLACED: Final = {
    "acl_check_rcpt:\n": "",
    "is not wanted: see section 2.": "of DKIM is not wanted besides (define the macro NATIVE_DKIM to compare).",
}


def cut(example: str) -> dict[str, str]:
    """The parts of the example, by name."""
    return {name: _part(example, name) for name in PARTS}


def _part(example: str, name: str) -> str:
    pieces = []
    for start, end in PARTS[name]:
        begin = example.index(start)
        pieces.append(example[begin : example.index(end, begin)].rstrip() + "\n")
    text = BETWEEN.get(name, "").join(pieces)
    for old, new in REPLACED.items():
        text = text.replace(old, new)
    return text


def main() -> None:
    """Write the templates."""
    for name, text in cut(EXAMPLE.read_text()).items():
        (TEMPLATES / f"{name}.conf").write_text(text)


if __name__ == "__main__":
    main()
