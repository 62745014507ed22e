"""The look-up service without sockets: a service with options, requests for it, and its replies."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from exim_dkim.config.grammar import parse_configuration
from exim_dkim.resolver import Resolver
from lookup_server.request import parse_request
from lookup_server.service import Service
from tests.support.mail import NOW, signed

ID = "1xUw9H-00013Q-2i"
LONG_ID = "1xUw9H-00000013Qab-2i3c"


def make_service(resolver: Resolver, options: str = "") -> Service:
    return Service(parse_configuration(options.encode(), "test.conf"), resolver, lambda: NOW)


async def reply_to(service: Service, data: bytes, local: bool = True) -> str:
    reply = await service.reply(parse_request(data), local)
    assert reply
    assert not set(reply) & {0, 13}
    assert b"\n" not in reply.replace(b"\n\t", b"") or data.startswith(b"foreign")
    return reply.decode("utf-8", "surrogateescape")


def ask(service: Service, *requests: bytes, local: bool = True) -> list[str]:
    async def run() -> list[str]:
        return [await reply_to(service, data, local) for data in requests]

    return asyncio.run(run())


def request(message: bytes = b"", query: str = "dkim example.org", **values: Any) -> bytes:
    lines = [query, "control = dkim_verify", *(f"{name} = {value}" for name, value in values.items())]
    return "\n".join(lines).encode() + b"\n\n" + message


def in_spool(spool: Path, body: bytes, message_id: str = ID, place: str = "input") -> Path:
    directory = spool / place
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / f"{message_id}-D"
    file.write_bytes(f"{message_id}-D\n".encode() + body)
    return file


def spool_request(spool: Path, header: bytes, message_id: str = ID, **values: Any) -> bytes:
    return request(header, message_exim_id=message_id, spool_directory=str(spool), **values)


def spool_service(spool: Path, resolver: Resolver, options: str = "") -> Service:
    return make_service(resolver, f"lookup_spool_directories = {spool}\n{options}")


GOOD = signed()
GOOD_HEADER, _, GOOD_BODY = GOOD.partition(b"\r\n\r\n")
GOOD_HEADER += b"\r\n"
