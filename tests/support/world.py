"""Everything that the end-to-end tests share: an installation, a look-up server, Exim daemons, a sink, keys and DNS.

Daemons are started when a test first asks for them, and live until the end of the run.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.support import peers, samples
from tests.support.exim import Exim
from tests.support.installation import Installation, installed
from tests.support.lookup import LookupServer
from tests.support.processes import exim_user, give, shared_directory
from tests.support.smtp import Sink

RECEIVERS = (
    "rx",
    "unasked",
    "early",
    "rewriting",
    "keys",
    "plain",
    "split",
    "wire",
    "patient",
    "impatient",
    "native",
    "queued",
    "inet",
    "busy",
    "all",
    "lenient",
    "forwarding",
    "asking",
)
"""The names that a receiver may have: the look-up server may read the spools of these."""

SIGNS_ALWAYS = """\
bank.example:   bank.example
lists.example:  announce@lists.example
"""

SIGNING = """\
dkim_domain = ${lookup {${lc:${domain:$rh_from:}}} lsearch,ret=key {DIRECTORY/domains}}
dkim_selector = ${lookup {$dkim_domain} lsearch {DIRECTORY/domains}}
dkim_private_key = ${lookup {$dkim_selector.pem} dsearch,ret=full {DIRECTORY/keys} {$value}{0}}
dkim_strict = true
"""
DOMAINS = """\
example.org:    rsa : ed
other.example:  missing
"""


class World:
    """See the module. `directory` is where all of it lives."""

    def __init__(self, exim: str, installation: Installation, directory: Path, sink: Sink) -> None:
        self.exim = exim
        self.installation = installation
        self.directory = directory
        self.sink = sink
        self._exims: dict[str, Exim] = {}
        self._servers: dict[str, LookupServer] = {}
        self._write("zone", samples.RECORDS_ZONE)
        self._write("signs-always", SIGNS_ALWAYS)
        self._write("domains", DOMAINS)
        keys = self.directory / "keys"
        keys.mkdir()
        for selector, name in (("rsa", "rsa2048"), ("ed", "ed25519")):
            shutil.copy(samples.KEY_DIRECTORY / f"{name}.pem", keys / f"{selector}.pem")
            give(keys / f"{selector}.pem", exim_user(), 0o400)
        give(keys, exim_user(), 0o755)

    def server(self, name: str = "lookup", options: Mapping[str, str] | None = None) -> LookupServer:
        """The look-up server of this name, running. Options that are empty are left out."""
        if name not in self._servers:
            spools = " : ".join(str(self.directory / exim / "spool") for exim in RECEIVERS)
            settings = {
                "dns_zone_file": str(self.directory / "zone"),
                "lookup_spool_directories": spools,
                **(options or {}),
            }
            settings = {option: value for option, value in settings.items() if value}
            self._servers[name] = LookupServer(self.installation, self.directory / name, settings)
        server = self._servers[name]
        if server.process is None:
            server.start()
        return server

    def receiver(
        self,
        name: str = "rx",
        macros: Mapping[str, str] | None = None,
        *,
        extra: str = "",
        after: str = "",
        resolver: Path | None = None,
    ) -> Exim:
        """A running Exim of this name that takes mail for rx.example and asks the look-up server about it."""
        assert name in RECEIVERS
        if name not in self._exims:
            settings = {
                "LOOKUP_SOCKET": str(self.directory / "lookup" / "lookup.sock"),
                "SIGNS_ALWAYS": str(self.directory / "signs-always"),
                "MAIL_HOST_NAME": "rx.example",
                "LOCAL_DOMAIN_LIST": "rx.example",
                **(macros or {}),
            }
            exim = Exim(self.exim, self.directory / name, settings, extra=extra, after=after, resolver=resolver)
            exim.mailbox("bob")
            self._exims[name] = exim
            exim.start()
        assert (macros or {}).items() <= self._exims[name].macros.items(), f"two receivers named {name}"
        return self._exims[name]

    def sender(
        self,
        name: str = "tx",
        macros: Mapping[str, str] | None = None,
        *,
        port: int | None = None,
        signing: str = SIGNING,
        extra: str = "",
    ) -> Exim:
        """A running Exim of this name that signs what its clients send and passes it to the sink, or to `port`."""
        if name not in self._exims:
            settings = {
                "SIGNING_FILTER": str(self.installation.filter),
                "SIGNING_CONFIG": str(self._write(f"{name}-signing.conf", self.signing(signing))),
                "SIGNS_ALWAYS": str(self.directory / "signs-always"),
                "LOOKUP_SOCKET": str(self.directory / "lookup" / "lookup.sock"),
                "MAIL_HOST_NAME": "tx.example.org",
                "LOCAL_DOMAIN_LIST": "tx.example.org",
                "CLIENT_NETWORKS": "127.0.0.1",
                "SMART_HOST": f"127.0.0.1::{port or self.sink.port}",
                **(macros or {}),
            }
            self._exims[name] = Exim(self.exim, self.directory / name, settings, extra=extra)
            self._exims[name].start()
        return self._exims[name]

    def other_exim(self, name: str, configuration: Path, macros: Mapping[str, str]) -> Exim:
        """A running Exim of this name with a configuration of its own."""
        if name not in self._exims:
            self._exims[name] = Exim(self.exim, self.directory / name, macros, configuration=configuration)
            self._exims[name].start()
        return self._exims[name]

    def signing(self, text: str) -> str:
        """A signing configuration with this world's directory in it."""
        return text.replace("DIRECTORY", str(self.directory))

    def configure(self, sender: str, text: str) -> None:
        """Another signing configuration for a sender; the filter reads it anew for every message."""
        self._write(f"{sender}-signing.conf", self.signing(text))

    def filter_script(self, text: str) -> Path:
        """Make a program of this shell text, to stand where the filter stands; FILTER in it is the real one."""
        path = self._write("filter-script", "#!/bin/sh\n" + self.signing(text))
        path.write_text(path.read_text().replace("FILTER", str(self.installation.filter)))
        path.chmod(0o755)
        return path

    def stop(self) -> None:
        for exim in self._exims.values():
            exim.stop()
        for server in self._servers.values():
            server.stop()

    def _write(self, name: str, text: str) -> Path:
        path = self.directory / name
        path.write_text(text)
        path.chmod(0o644)
        return path


@contextlib.contextmanager
def world() -> Iterator[World]:
    """A world for as long as the context lasts. Skips, or in CI fails, without Exim or without root."""
    exim = peers.program("exim4", "exim4-daemon-heavy")
    if os.getuid() != 0:
        peers.missing("Exim daemons of our own need root", "run the tests as root")
    with installed() as installation, shared_directory("exim-dkim-world-") as directory, Sink() as sink:
        made = World(exim, installation, directory, sink)
        try:
            yield made
        finally:
            made.stop()
