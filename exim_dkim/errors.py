"""The exceptions that the engine raises: four, all for programming and configuration errors.

Bad mail never raises; its faults are values (`outcome.py`). Everything here derives from `EximDkimError`, so that a
front end can put one wall around the engine.
"""

from __future__ import annotations


class EximDkimError(Exception):
    """Base of every exception that this package raises on purpose."""


class ParseError(EximDkimError):
    """Text that does not follow its grammar.

    `source` is the whole text, `start` and `end` the byte offsets of the place that is wrong.
    """

    def __init__(self, message: str, source: bytes = b"", start: int = 0, end: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.source = source
        self.start = start
        self.end = start + 1 if end is None else end

    def pointed(self) -> str:
        """The message, and below it the line of the source with a caret under the place."""
        line_start = self.source.rfind(b"\n", 0, self.start) + 1
        line_end = self.source.find(b"\n", self.start)
        line = self.source[line_start : len(self.source) if line_end < 0 else line_end]
        width = max(1, min(self.end, line_start + len(line)) - self.start)
        shown = "".join(chr(byte) if 32 <= byte < 127 else "?" for byte in line)
        return f"{self.message}\n  {shown}\n  {' ' * (self.start - line_start)}{'^' * width}"


class ExpansionError(ParseError):
    """An Exim expansion string that cannot be parsed, or that failed when it was evaluated."""


class ForcedFailure(ExpansionError):
    """An expansion that ended in an explicit `fail` (Exim: "forced failure")."""


class ConfigurationError(EximDkimError):
    """A fault of the control-style file, with its place: `file` and `line` (1-based; 0 when there is none).

    The text is `file:line: message`, on one line.
    """

    def __init__(self, message: str, file: str = "", line: int = 0) -> None:
        place = f"{file}:{line}: " if file and line else f"{file}: " if file else ""
        super().__init__(place + message)
        self.message = message
        self.file = file
        self.line = line


class KeyFormatError(EximDkimError):
    """A private or public key that cannot be used; the text never contains any of the key."""


class SigningError(EximDkimError):
    """A message that cannot be signed as asked."""
