"""How reports leave: by the MTA's own command, or by SMTP to a server. Both are bounded in time.

The command gets the report as a file for its standard input, so it has all of it however we end; it has no shell, its
own session, and an environment with PATH only. A service that may not gain privileges (NoNewPrivileges of systemd)
cannot run the commands of Postfix and Exim, which are setgid and setuid: there, SMTP does it.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import tempfile
from contextlib import suppress
from typing import Final, NamedTuple, Protocol

from milter_server.address import parse_milter_address

SECONDS: Final = 60
"""For a command, or a conversation in SMTP."""
PATH: Final = "/usr/sbin:/usr/bin:/sbin:/bin"
MAX_OUTPUT: Final = 300
"""Bytes of what a command or a server says that are logged."""
MAX_REPLY: Final = 100
"""Lines of a reply of SMTP."""


class DeliveryError(Exception):
    """A report could not be handed over; the text says why."""


class Delivery(Protocol):
    """A way for reports to leave."""

    async def send(self, report: bytes, recipient: str) -> None:
        """Hands over a whole message in wire form, with a null reverse-path. Raises `DeliveryError`."""

    def warnings(self) -> list[str]:
        """What would keep it from working, as far as that shows without trying."""


class Command(NamedTuple):
    """A program that takes a message with its recipients in the header."""

    words: tuple[str, ...]

    def warnings(self) -> list[str]:
        """A program that is not there."""
        if os.access(self.words[0], os.X_OK):
            return []
        return [f"milter_report_command: {self.words[0]} cannot be run; reports will not be sent"]

    async def send(self, report: bytes, recipient: str) -> None:
        """Runs it."""
        with tempfile.TemporaryFile() as message, tempfile.TemporaryFile() as output:
            message.write(report.replace(b"\r\n", b"\n"))
            message.flush()
            message.seek(0)
            try:
                process = await asyncio.create_subprocess_exec(
                    *self.words, stdin=message, stdout=output, stderr=output, cwd="/", env={"PATH": PATH},
                    start_new_session=True,
                )  # fmt: skip
            except OSError as error:
                raise DeliveryError(f"{self.words[0]}: {error.strerror}") from None
            status = await _ended(process)
            if status:
                output.seek(0)
                said = output.read(MAX_OUTPUT).decode("utf-8", "replace")
                how = f"ended with status {status}" if status > 0 else f"was killed by signal {-status}"
                raise DeliveryError(f"{self.words[0]} {how}{f': {said}' if said else ''}")


async def _ended(process: asyncio.subprocess.Process) -> int:
    try:
        return await asyncio.wait_for(process.wait(), SECONDS)
    except TimeoutError:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        raise DeliveryError(f"the command had not ended after {SECONDS} seconds, and was killed") from None


class SmtpServer(NamedTuple):
    """A server that relays for us. There is no TLS: it should be this host's own. `name`: of this host, for EHLO."""

    host: str
    port: int
    name: str

    def warnings(self) -> list[str]:
        """None: whether it answers shows later."""
        return []

    async def send(self, report: bytes, recipient: str) -> None:
        """Speaks SMTP (RFC 5321)."""
        try:
            async with asyncio.timeout(SECONDS):
                reader, writer = await asyncio.open_connection(self.host, self.port)
                try:
                    await self._converse(reader, writer, report, recipient)
                finally:
                    writer.close()
                    with suppress(OSError):
                        await writer.wait_closed()
        except TimeoutError:
            raise DeliveryError(f"{self.host} port {self.port}: it took longer than {SECONDS} seconds") from None
        except (OSError, ValueError, EOFError) as error:
            raise DeliveryError(f"{self.host} port {self.port}: {error or type(error).__name__}") from None

    async def _converse(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, report: bytes, recipient: str
    ) -> None:
        text = report.replace(b"\r\n.", b"\r\n..")
        commands = (f"EHLO {self.name}", "MAIL FROM:<>", f"RCPT TO:<{recipient}>", "DATA")
        await self._expect(reader, b"2", "its greeting")
        for command in commands:
            writer.write(f"{command}\r\n".encode())
            await self._expect(reader, b"3" if command == "DATA" else b"2", command)
        writer.write(text + b".\r\n")
        await writer.drain()
        await self._expect(reader, b"2", "the report")
        writer.write(b"QUIT\r\n")
        await writer.drain()

    async def _expect(self, reader: asyncio.StreamReader, wanted: bytes, what: str) -> None:
        """Reads a reply; `DeliveryError` if it does not begin with `wanted`."""
        for _ in range(MAX_REPLY):
            line = await reader.readline()
            if not line.endswith(b"\n"):
                raise EOFError("the server has closed the connection")
            if line[3:4] != b"-":
                break
        else:
            raise DeliveryError(f"{self.host} port {self.port}: {what}: a reply without an end")
        if not line.startswith(wanted):
            said = line[:MAX_OUTPUT].decode("utf-8", "replace").strip()
            raise DeliveryError(f"{self.host} port {self.port}: {what}: {said}")


def parse_command(text: str) -> Command:
    """The command of milter_report_command: words, quoted as for a shell. `ValueError`."""
    words = tuple(shlex.split(text))
    if not words or not words[0].startswith("/"):
        raise ValueError(f"{text!r} is not a program by its whole path, with arguments")
    return Command(words)


def parse_server(text: str, name: str) -> SmtpServer:
    """The server of milter_report_server, inet:PORT@HOST. `ValueError`."""
    address = parse_milter_address(text)
    if not address.host or "@" not in text:
        raise ValueError(f"{text!r}: want inet:PORT@HOST, as in inet:25@127.0.0.1")
    return SmtpServer(address.host, address.port, name)
