"""Tag=value lists (RFC 6376 §3.2), used by signatures and key records. Knows no tag by name."""

from __future__ import annotations

from exim_dkim.errors import ParseError
from exim_dkim.lazypattern import lazy_pattern

# The RFC has no hyphen in names, but some write it, unknown tags do no harm, and all other verifiers let it pass.
_TAG_NAME = lazy_pattern(rb"[A-Za-z][A-Za-z0-9_-]*")
_BLANKS = b" \t\r\n"
# Printable characters, folding white space, and bytes >= 0x80 for RFC 8616.
_PERMITTED = bytes((0x09, 0x0A, 0x0D, *range(0x20, 0x7F), *range(0x80, 0x100)))

MAX_TAGS = 100
"""More tags than any real list has; a bound on the work for a hostile one."""


class DuplicateTagError(ParseError):
    """A tag name stands twice (RFC 6376 §3.2: the whole list is then invalid)."""


def parse_tag_list(source: bytes) -> dict[bytes, bytes]:
    """The tags by name, values stripped of surrounding white space but otherwise as written.

    Raises `ParseError` (`DuplicateTagError` for a repeated tag). A final `;` is allowed.
    """
    if source.translate(None, _PERMITTED):
        raise ParseError("a control character in a tag list", source, 0, len(source))
    specifications = source.split(b";", MAX_TAGS + 1)
    if not specifications[-1].strip(_BLANKS):
        specifications.pop()
    if len(specifications) > MAX_TAGS:
        raise ParseError(f"more than {MAX_TAGS} tags", source, 0, len(source))
    tags: dict[bytes, bytes] = {}
    for specification in specifications:
        name, equals, value = specification.partition(b"=")
        name = name.strip(_BLANKS)
        if not equals or not (name.isalpha() or _TAG_NAME.fullmatch(name)):
            start = max(0, source.find(specification))
            raise ParseError("tag=value expected", source, start, start + max(1, len(specification)))
        if name in tags:
            start = source.rfind(specification)
            raise DuplicateTagError(f"tag {name.decode()} stands twice", source, start, start + len(specification))
        tags[name] = value.strip(_BLANKS)
    return tags


def without_blanks(value: bytes) -> bytes:
    """`value` without folding white space (for base64 and hyphenated lists)."""
    return value.translate(None, _BLANKS)


def split_values(value: bytes) -> list[bytes]:
    """The elements of a colon-separated value, each without white space around it."""
    return [element.strip(_BLANKS) for element in value.split(b":")]
