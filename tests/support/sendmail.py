"""A real Sendmail in a sandbox. It logs to /dev/log only, so it has a /dev of its own, with a socket that we read.

It also has a host name of its own, since it sleeps a minute when it finds none with a dot.
"""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path

from tests.support import peers
from tests.support.mta import HOST_NAME, Listener, Mta
from tests.support.processes import Process

DEVICES = ("null", "zero", "full", "random", "urandom")

CONFIGURATION = """\
divert(-1)
include(`{root}/usr/share/sendmail/cf/m4/cf.m4')
divert(0)
OSTYPE(`linux')dnl
define(`confPID_FILE', `{directory}/sendmail.pid')dnl
define(`QUEUE_DIR', `{directory}/queue')dnl
define(`ALIAS_FILE', `{directory}/aliases')dnl
define(`confCW_FILE', `{directory}/local-host-names')dnl
define(`STATUS_FILE', `{directory}/statistics')dnl
define(`confSERVICE_SWITCH_FILE', `{directory}/service.switch')dnl
define(`confTO_IDENT', `0')dnl
define(`confLOG_LEVEL', `14')dnl
define(`confTO_DATABLOCK', `1m')dnl
define(`SMART_HOST', `relay:[127.0.0.1]')dnl
define(`RELAY_MAILER_ARGS', `TCP $h {relay}')dnl
FEATURE(`nocanonify')dnl
FEATURE(`accept_unresolvable_domains')dnl
FEATURE(`promiscuous_relay')dnl
FEATURE(`no_default_msa')dnl
{lines}
MAILER(`local')dnl
MAILER(`smtp')dnl
"""

# A /dev with a few devices and our log socket, /etc/resolv.conf, and a name: for this process and its children only.
NAMESPACE = """
for device in {devices}; do : >{directory}/dev/$device; mount --bind /dev/$device {directory}/dev/$device; done
mount --bind {directory}/hosts /etc/hosts
mount --bind {directory}/resolv.conf /etc/resolv.conf
mount --rbind {directory}/dev /dev
hostname {name}
exec "$@"
"""


class Sendmail(Mta):
    """See the module. `settings` are more lines of the .mc file."""

    package = "sendmail"

    def __init__(
        self,
        directory: Path,
        relay: int,
        listeners: Mapping[str, Listener],
        settings: tuple[str, ...] = (),
        host_name: str = HOST_NAME,
    ) -> None:
        super().__init__(directory, relay, listeners, host_name)
        self._logged: list[str] = []
        for name in ("queue", "dev"):
            (directory / name).mkdir(mode=0o700)
        (directory / "dev").chmod(0o755)
        for name, text in (
            ("aliases", ""),
            ("local-host-names", ""),
            ("service.switch", "hosts files\naliases files\n"),
            ("test.mc", self._mc(settings)),
        ):
            (directory / name).write_text(text)
            (directory / name).chmod(0o644)
        self._write_resolution()
        self._log_socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._log_socket.bind(str(directory / "dev" / "log"))
        self._log_socket.settimeout(0.2)
        self._reader = threading.Thread(target=self._read_log, daemon=True)

    def start(self) -> None:
        if not self._reader.is_alive():
            self._reader.start()
        self._configure()
        self.process = Process(self._command("-bD"), log=self.directory / "output")
        self.process.wait_until("Sendmail listens", self._listens)

    def stop(self) -> None:
        super().stop()
        self._log_socket.close()
        if self._reader.is_alive():
            self._reader.join(5)

    def log(self) -> str:
        return "".join(self._logged)

    def queue(self) -> list[str]:
        return sorted(path.name[2:] for path in (self.directory / "queue").glob("qf*"))

    def run_queue(self) -> None:
        """Try every message in the queue once, and wait for the end."""
        subprocess.run(list(map(str, self._command("-q"))), check=True, timeout=60, capture_output=True)

    def local_command(self) -> list[str]:
        """Its command for local programs, to which options and addresses may be added."""
        return list(map(str, self._command()))

    def _mc(self, settings: tuple[str, ...]) -> str:
        made = [*settings]
        for milter in {milter.name: milter for each in self.listeners.values() for milter in each.milters}.values():
            flag = {"tempfail": "F=T, ", "reject": "F=R, ", "accept": ""}[milter.when_down]
            # E is for the whole end of a message, which a filter may draw out by words of progress.
            times = ";".join((*(f"{kind}:{milter.timeout}s" for kind in "CSR"), f"E:{10 * milter.timeout}s"))
            made.append(f"MAIL_FILTER(`{milter.name}', `S={milter.address}, {flag}T={times}')dnl")
        for name, listener in self.listeners.items():
            family = "Family=inet6, " if ":" in listener.host else ""
            filters = ";".join(milter.name for milter in listener.milters)
            options = f"Name={name}, {family}Addr={listener.host}, Port={self.ports[name]}, InputMailFilters={filters}"
            made.append(f"DAEMON_OPTIONS(`{options}')dnl")
        return CONFIGURATION.format(root=self.root, directory=self.directory, relay=self.relay, lines="\n".join(made))

    def _configure(self) -> None:
        m4 = peers.program("m4", "m4")
        command = [m4, f"-D_CF_DIR_={self.root}/usr/share/sendmail/cf/", str(self.directory / "test.mc")]
        done = subprocess.run(command, capture_output=True, check=True, timeout=30)
        (self.directory / "test.cf").write_bytes(done.stdout)

    def _command(self, *arguments: str) -> list[str | Path]:
        binary = self.root / "usr" / "libexec" / "sendmail" / "sendmail"
        namespace = NAMESPACE.format(devices=" ".join(DEVICES), directory=self.directory, name=self.host_name)
        wrapped = ["unshare", "--mount", "--uts", "sh", "-ec", namespace, "sh"]
        return [*wrapped, binary, "-C", self.directory / "test.cf", *arguments]

    def _read_log(self) -> None:
        while True:
            try:
                line = self._log_socket.recv(65536)
            except TimeoutError:
                continue
            except OSError:
                return
            self._logged.append(line.decode("utf-8", "replace").rstrip("\n\0") + "\n")
