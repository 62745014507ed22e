"""A real name server, unbound, on port 53 of its own loopback address: for programs that use the system's resolver.

It answers from the records that it is given; everything else does not exist.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path

from tests.support import peers
from tests.support.processes import Process
from tests.support.samples import txt_data

CONFIGURATION = """\
server:
  interface: {address}
  port: 53
  access-control: 127.0.0.0/8 allow
  do-ip6: no
  do-daemonize: no
  chroot: ""
  username: ""
  directory: "{directory}"
  pidfile: ""
  use-syslog: no
  logfile: ""
  module-config: "iterator"
  num-threads: 1
  minimal-responses: yes
  local-zone: "." static
remote-control:
  control-enable: no
"""


class Unbound:
    """An unbound with TXT `records`, names that it refuses to answer for, and `others`, records in zone-file form."""

    def __init__(
        self, directory: Path, records: Mapping[str, str], refused: tuple[str, ...] = (), others: tuple[str, ...] = ()
    ) -> None:
        binary = peers.program("unbound", "unbound")
        if os.getuid() != 0:
            peers.missing("a name server on port 53 needs root", "run the tests as root")
        directory.mkdir(exist_ok=True)
        self.address = f"127.{os.getpid() >> 16 & 127 | 64}.{os.getpid() >> 8 & 255}.{os.getpid() & 255 or 1}"
        lines = [f"  local-data: '{name}. 3600 IN TXT {txt_data(text)}'" for name, text in records.items()]
        lines += [f"  local-data: '{record}'" for record in others]
        lines += [f'  local-zone: "{name}." always_refuse' for name in refused]
        text = CONFIGURATION.format(address=self.address, directory=directory)
        configuration = directory / "unbound.conf"
        configuration.write_text(text.replace("remote-control:", "\n".join([*lines, "remote-control:"])))
        self.resolv_conf = directory / "resolv.conf"
        self.resolv_conf.write_text(f"nameserver {self.address}\noptions timeout:1 attempts:1\n")
        self.resolv_conf.chmod(0o644)
        self._process = Process([binary, "-d", "-c", configuration], log=directory / "log")
        self._process.wait_until("unbound listens", self._listens)

    def end(self) -> None:
        self._process.end()

    def _listens(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(5)
            return probe.connect_ex((self.address, 53)) == 0
