"""The physical lines of a configuration file to logical ones (Exim specification §6.2-6.8).

In Exim's order: macros are replaced, comments dropped, `.ifdef` and its kin obeyed, `.include` followed, and lines that
end in a backslash joined with the next. A logical line carries the place where it began.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from exim_dkim.errors import ConfigurationError
from exim_dkim.expansion.escapes import printable
from exim_dkim.lazypattern import lazy_pattern

MAX_LINE: Final = 1 << 20  # macros can double a line again and again
MAX_TEXT: Final = 1 << 24  # and all lines together
MAX_INCLUDE_DEPTH: Final = 20  # a file that includes itself ends here

# Gives the text of an included file, or None when there is none; raises ConfigurationError for other faults.
ReadInclude = Callable[[str], bytes | None]

_DIRECTIVE = lazy_pattern(rb"\.(ifdef|ifndef|elifdef|elifndef|else|endif)(?=\s|$)")
_INCLUDE = lazy_pattern(rb"\.include(_if_exists)?\s+(.*)", re.IGNORECASE | re.DOTALL)
_ASSIGNMENT = lazy_pattern(rb"([A-Z][A-Za-z0-9_]*)\s*=")
_BLANKS: Final = b" \t\r\n\v\f"


class Line:
    """A logical line, without outer blanks, and where it begins."""

    __slots__ = ("file", "number", "text")

    def __init__(self, text: bytes, file: str, number: int) -> None:
        self.text = text
        self.file = file
        self.number = number

    def error(self, message: str) -> ConfigurationError:
        """A fault of this line."""
        return ConfigurationError(message, self.file, self.number)


class _Source:
    """One open file: its lines, and how far we are."""

    __slots__ = ("file", "lines", "number")

    def __init__(self, text: bytes, file: str) -> None:
        self.lines = iter(text.split(b"\n"))
        self.file = file
        self.number = 0


class LogicalLines:
    """Iterates over the logical lines of a file. Macro definitions found on the way are taken in, not returned."""

    def __init__(
        self, text: bytes, file: str, read_include: ReadInclude, macros: Mapping[bytes, bytes] | None = None
    ) -> None:
        self._sources: list[_Source] = []
        self._read_include = read_include
        self.macros = Macros(macros or {})
        self._conditions: list[tuple[bool, bool]] = []  # (this branch is active, one has been so far)
        self._total = 0
        self._open(text, file)

    def _open(self, text: bytes, file: str) -> None:
        if text.startswith(b"\xef\xbb\xbf"):
            raise ConfigurationError("found unexpected BOM (Byte Order Mark)", file, 1)
        if b"\0" in text:
            raise ConfigurationError("found a NUL byte", file, 1 + text.count(b"\n", 0, text.find(b"\0")))
        self._sources.append(_Source(text, file))

    def __iter__(self) -> Iterator[Line]:
        while (line := self._logical()) is not None:
            if line.text and not (line.text[:1].isupper() and self._define(line)):
                yield line

    def _logical(self) -> Line | None:
        """The next logical line (which may be empty), or None at the end."""
        parts: list[bytes] = []
        file, number = "", 0
        while (physical := self._physical(not parts)) is not None:
            if not parts:
                file, number = self._sources[-1].file, self._sources[-1].number
            if not physical.endswith(b"\\"):
                parts.append(physical)
                break
            parts.append(physical[:-1])
        return Line(b"".join(parts).rstrip(_BLANKS), file, number) if parts else None

    def _physical(self, begins: bool) -> bytes | None:
        """The next physical line that counts: macros replaced, no outer blanks."""
        while self._sources:
            source = self._sources[-1]
            line = next(source.lines, None)
            if line is None:
                self._close()
                continue
            source.number += 1
            try:
                line, replaced = self.macros.replace(line.strip(_BLANKS), begins)
            except ConfigurationError as error:
                raise self._error(error.message) from None
            line = line.strip(_BLANKS) if replaced else line
            self._total += len(line)
            if self._total > MAX_TEXT:
                raise self._error("configuration is too long")
            if line[:1] == b"#":
                continue
            if line[:1] == b"." and self._directive(line, replaced):
                continue
            if self._conditions and not all(active for active, _ in self._conditions):
                continue
            return line
        return None

    def _close(self) -> None:
        source = self._sources.pop()
        if not self._sources and self._conditions:
            raise ConfigurationError("Unexpected end of configuration file: .endif missing", source.file, source.number)

    def _error(self, message: str) -> ConfigurationError:
        source = self._sources[-1]
        return ConfigurationError(message, source.file, source.number)

    def _directive(self, line: bytes, replaced: bool) -> bool:
        """Obey a line that begins with a dot; False if it is none of the directives."""
        match = _DIRECTIVE.match(line)
        if match is not None:
            self._condition(match[1], replaced)
            return True
        match = _INCLUDE.match(line)
        if match is None:
            return False
        if all(active for active, _ in self._conditions):
            self._include(match[2], match[1] is not None)
        return True

    def _condition(self, word: bytes, replaced: bool) -> None:
        """Exim's test: `.ifdef` is true if a macro was replaced in its line."""
        if word.startswith(b"if"):
            active = replaced == (word == b"ifdef")
            self._conditions.append((active, active))
            return
        if not self._conditions:
            raise self._error(f".{word.decode()} without matching .ifdef")
        _, done = self._conditions.pop()
        if word != b"endif":
            active = not done and (word == b"else" or replaced == (word == b"elifdef"))
            self._conditions.append((active, done or active))

    def _include(self, name: bytes, if_exists: bool) -> None:
        if len(name) > 1 and name[:1] == name[-1:] == b'"':
            name = name[1:-1]
        path = name.decode("utf-8", "surrogateescape")
        if not path.startswith("/"):
            if if_exists:
                raise self._error(f'.include specifies a non-absolute path "{printable(name)}"')
            path = self._sources[-1].file.rpartition("/")[0] + "/" + path
        if len(self._sources) >= MAX_INCLUDE_DEPTH:
            raise self._error(f"files include each other more than {MAX_INCLUDE_DEPTH} deep")
        text = self._read_include(path)
        if text is not None:
            self._open(text, path)
        elif not if_exists:
            raise self._error(f"failed to open included configuration file {printable(name)}")

    def _define(self, line: Line) -> bool:
        """Take in `NAME = text` or `NAME == text`."""
        try:
            self.macros.define(line.text)
        except ConfigurationError as error:
            raise line.error(error.message) from None
        return True


class Macros:
    """Names that stand for texts, in the order of their definition; those that are given cannot be redefined.

    Faults raise ConfigurationError without a place.
    """

    def __init__(self, given: Mapping[bytes, bytes]) -> None:
        self.texts = dict(given)
        self._given = frozenset(given)

    def replace(self, line: bytes, begins: bool) -> tuple[bytes, bool]:
        """The line with the macros replaced one after the other, and whether there were any.

        If the line `begins` a logical one, a name that it defines stays.
        """
        if not self.texts or line == line.lower():  # a macro has a capital
            return line, False
        match = _ASSIGNMENT.match(line) if begins else None
        start = match.end() if match else 0
        head, rest = line[:start], line[start:]
        replaced = False
        for name, text in self.texts.items():
            if name in rest:
                if len(rest) + rest.count(name) * len(text) > MAX_LINE:
                    raise ConfigurationError("line is too long")
                rest = rest.replace(name, text)
                replaced = True
        return head + rest if replaced else line, replaced

    def define(self, line: bytes) -> str:
        """Take in `NAME = text` or `NAME == text`. Returns the name."""
        match = _ASSIGNMENT.match(line)
        if match is None:
            raise ConfigurationError("malformed macro definition")
        name, text = match[1], line[match.end() :]
        again = text.startswith(b"=")
        shown = name.decode()
        if name in self._given:
            return shown
        if name in self.texts and not again:
            raise ConfigurationError(f'macro "{shown}" is already defined (use "==" if you want to redefine it)')
        if again and name not in self.texts:
            raise ConfigurationError(f'can\'t redefine an undefined macro "{shown}"')
        for earlier in self.texts:
            if earlier != name and earlier in name:
                raise ConfigurationError(
                    f'"{shown}" cannot be defined as a macro because previously defined macro '
                    f'"{earlier.decode()}" is a substring'
                )
        self.texts[name] = text[again:].strip(_BLANKS)
        return shown

    @staticmethod
    def is_definition(line: bytes) -> bool:
        """Whether a line is meant to define a macro."""
        return _ASSIGNMENT.match(line) is not None
