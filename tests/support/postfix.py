"""A real Postfix in a sandbox: in a mount namespace in which its libraries are where it looks for them."""

from __future__ import annotations

import grp
import os
import pwd
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.support.mta import HOST_NAME, Listener, Milter, Mta, unpacked
from tests.support.processes import Process, give

LIBRARIES = Path("/usr/lib/postfix")
"""Where its programs look for libraries, and for each other."""

MAIN = """\
compatibility_level = 3.6
queue_directory = {directory}/queue
data_directory = {directory}/data
command_directory = {root}/usr/sbin
daemon_directory = {libraries}/sbin
shlib_directory = {libraries}
meta_directory = {root}/etc/postfix
mail_owner = postfix
setgid_group = postdrop
myhostname = {name}
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
mynetworks = 127.0.0.0/8 [::1]/128
smtpd_relay_restrictions = permit_mynetworks, reject
inet_interfaces = loopback-only
inet_protocols = all
disable_dns_lookups = yes
relayhost = [127.0.0.1]:{relay}
smtp_address_preference = ipv4
maillog_file = {directory}/log
maillog_file_prefixes = {directory}
maximal_backoff_time = 300s
"""

QUEUES = ("incoming", "active", "deferred", "hold", "corrupt", "bounce", "defer", "flush", "saved", "trace", "private")
OWN_DIRECTORIES = ("data", *(f"queue/{name}" for name in QUEUES))

NAMESPACE = """
mount --bind {libraries} {mounted}
mount --bind {directory}/hosts /etc/hosts
mount --bind {directory}/resolv.conf /etc/resolv.conf
exec "$@"
"""


class Postfix(Mta):
    """See the module. `settings` are more lines of main.cf."""

    package = "postfix"

    def __init__(
        self,
        directory: Path,
        relay: int,
        listeners: Mapping[str, Listener],
        settings: tuple[str, ...] = (),
        host_name: str = HOST_NAME,
    ) -> None:
        super().__init__(directory, relay, listeners, host_name)
        self.configuration = directory / "etc"
        for path in (self.configuration, directory / "queue", directory / "queue" / "pid"):
            path.mkdir()
            path.chmod(0o755)
        self._write_resolution()
        main = MAIN.format(directory=directory, root=self.root, libraries=LIBRARIES, name=self.host_name, relay=relay)
        (self.configuration / "main.cf").write_text("\n".join([main, *settings, ""]))
        (self.configuration / "master.cf").write_text(self._master())
        for path in self.configuration.iterdir():
            os.utime(path, (0, 0))  # Postfix does not read a file that has changed in this second or the one before

    def start(self) -> None:
        self._make_directories()
        self.process = Process(self._command(LIBRARIES / "sbin" / "master", "-d"), log=self.directory / "output")
        self.process.wait_until("Postfix listens", self._listens)

    def log(self) -> str:
        path = self.directory / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def queue(self) -> list[str]:
        kept = (
            path for name in ("incoming", "active", "deferred") for path in (self.directory / "queue" / name).rglob("*")
        )
        return sorted(path.name for path in kept if path.is_file())

    def run_queue(self) -> None:
        """Ask for a try of every message in the queue."""
        self._run("postqueue", "-f")

    def submit_locally(self, message: bytes, sender: str, recipient: str) -> None:
        """Give it a message as a program on this host does, by its `sendmail` command; it must take it."""
        command = [*self.local_command(), "-i", "-f", sender, recipient]
        subprocess.run(command, input=message, capture_output=True, check=True, timeout=60)

    def local_command(self) -> list[str]:
        """Its `sendmail` command, to which options and addresses may be added."""
        command = self._command(self.root / "usr" / "sbin" / "sendmail")
        command[command.index("-c")] = "-C"  # the others take -c
        return list(map(str, command))

    def version(self) -> str:
        """mail_version, such as 3.7.11."""
        return self._run("postconf", "-h", "mail_version").strip()

    def _make_directories(self) -> None:
        """What `postfix check` does, which takes seconds."""
        for name in OWN_DIRECTORIES:
            (self.directory / name).mkdir(exist_ok=True)
            give(self.directory / name, "postfix", 0o700)
        for name, mode in (("public", 0o710), ("maildrop", 0o730)):
            path = self.directory / "queue" / name
            path.mkdir(exist_ok=True)
            os.chown(path, pwd.getpwnam("postfix").pw_uid, grp.getgrnam("postdrop").gr_gid)
            path.chmod(mode)

    def _master(self) -> str:
        shipped = (self.root / "usr" / "share" / "postfix" / "master.cf.dist").read_text()
        services = [line for line in shipped.splitlines() if not line.startswith("#")]
        services = [re.sub(r"^(\S+\s+\S+\s+\S+\s+\S+\s+)\S+", r"\1n", line) for line in services[1:]]
        for name, listener in self.listeners.items():
            where = (
                f"[{listener.host}]:{self.ports[name]}"
                if ":" in listener.host
                else f"{listener.host}:{self.ports[name]}"
            )
            services.append(f"{where} inet n - n - - smtpd")
            services.append(f"  -o {{ smtpd_milters = {', '.join(map(_milter, listener.milters))} }}")
            services += [f"  -o {{ {option} }}" for option in listener.options]
        return "\n".join([*services, ""])

    def _run(self, program: str, *arguments: str) -> str:
        command = list(map(str, self._command(self.root / "usr" / "sbin" / program, *arguments)))
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}{self.log()}"
        return done.stdout

    def _command(self, program: Path, *arguments: str) -> list[str | Path]:
        libraries = self.root / "usr" / "lib" / "postfix"
        namespace = NAMESPACE.format(libraries=libraries, mounted=LIBRARIES, directory=self.directory)
        return ["unshare", "--mount", "sh", "-ec", namespace, "sh", program, "-c", self.configuration, *arguments]


def smtp_source(port: int, count: int, sessions: int, *, sender: str, recipient: str) -> None:
    """Send `count` messages to 127.0.0.1:`port` over so many connections at once, with Postfix's load generator."""
    root = unpacked("postfix")
    namespace = f'mount --bind {root}/usr/lib/postfix {LIBRARIES}; exec "$@"'
    command = [root / "usr" / "sbin" / "smtp-source", "-s", str(sessions), "-m", str(count), "-l", "4096"]
    wrapped = ["unshare", "--mount", "sh", "-ec", namespace, "sh", *map(str, command)]
    wrapped += ["-f", sender, "-t", recipient, f"127.0.0.1:{port}"]
    subprocess.run(wrapped, capture_output=True, check=True, timeout=100)


def _milter(milter: Milter) -> str:
    times = ", ".join(f"{kind}_timeout={milter.timeout}s" for kind in ("connect", "command", "content"))
    return f"{{ {milter.postfix_address}, default_action={milter.when_down}, {times} }}"
