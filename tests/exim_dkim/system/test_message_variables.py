"""Variables of a message from all kinds of -H files, against what the real Exim makes of them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from exim_dkim.config.grammar import parse_configuration
from exim_dkim.expansion import expand, parse_template
from exim_dkim.message import HeaderField, parse_field
from exim_dkim.system.environment import MessageEnvironment
from tests.support.peers import program

MESSAGE_ID = "1xUwUc-0005KI-1c"
NAMES = """
acl_c0 acl_c9 acl_c_x acl_m0 acl_m9 acl_m_y authenticated_id authenticated_sender body_linecount body_zerocount
caller_uid host_lookup_deferred interface_address interface_port local_scan_data max_received_linelength
message_body message_body_end message_body_size message_exim_id message_linecount message_size message_smtputf8
originator_gid originator_uid received_count received_ip_address received_port received_protocol received_time
recipients_count sender_address sender_address_domain sender_address_local_part sender_fullhost sender_helo_name
sender_host_address sender_host_authenticated sender_host_port sender_ident sender_rcvhost smtp_active_hostname
spam_bar spam_score spam_score_int tls_cipher tls_in_bits tls_in_certificate_verified tls_in_cipher tls_in_ocsp
tls_in_peerdn tls_in_resumption tls_in_sni tls_in_ver
"""
VARIABLES = NAMES.split()
OPTIONS = [
    b"",
    b"--helo_name h.ex\n--host_address [1.2.3.4]:5\n",
    b"--helo_name h.ex\n--host_name h.EX\n--host_address [1.2.3.4]:5\n",
    b"--host_name r.ex\n--host_address [1.2.3.4]:5\n",
    b"--host_address [::1]:25\n--helo_name [::1]\n",
    b"--helo_name [1.2.3.4]\n--host_name r.ex\n--host_address [1.2.3.4]:0\n",
    b"--helo_name onlyhelo\n",
    b"--helo_name h.ex\n--host_name r.ex\n--host_address [1.2.3.4]:5\n",
    b"--helo_name h.ex\n--host_name r.ex\n--host_address [1.2.3.4]:5\n-ident joe\n",
    b"--helo_name [IPv6:2001:DB8::1]\n--host_address [2001:db8::1]:25\n-ident joe\n",
    b"--helo_name [1.2.3.5]\n--host_address [1.2.3.4]:5\n",
    b"--host_address [1.2.3.4]:5\n",
    b"--host_address 1.2.3.4.55\n-interface_address 1.2.3.5.25\n",
    b"-host_address [1.2.3.4]:5\n-helo_name \n",
    b"-auth_id me\n-auth_sender me@x\n-host_auth plain\n-local\n-ident me\n",
    b"-tls_cipher TLS1.3:X\n-tls_certificate_verified\n-tls_peerdn CN=x\n-tls_sni foo\\040bar\n-tls_ver TLS1.3\n"
    b"-tls_ocsp 3\n-tls_resumption A\n-smtputf8\n",
    b"-host_lookup_failed\n-host_lookup_deferred\n-spam_bar +++\n-spam_score 3.1\n-spam_score_int 31\n"
    b"-local_scan data\n-active_hostname act.ex\n-body_linecount 7\n-body_zerocount 1\n-max_received_linelength 99\n"
    b"-frozen 123\n-N\n",
    b"-aclc 0 1\na\n--aclm 9 2\nb\n\n-aclc _x 0\n\n-aclm _y 3\n-a \n-aclc 9 1\nz\n",
    b"-unknown x y\n-x\n-dsn_ret 1\n-dsn_envid x\n--received_protocol local-esmtp\n",
]
OWNERS = [b"root 0 0", b"a b 12 13", b"x -1 -2"]
SENDERS = [b"", b"a@b", b'"a@b"@c.d', b"root"]
TREES = [b"XX\n", b"NN a@b\n", b"YY m@b\nNN a@b\nYN z@b\nNN y@b\n"]
RECIPIENTS = [
    b"1\na@b\n",
    b"2\na@b e@f 3,-1#1\nb@c\n",
    b'3\na@b rfc822;x@y 10,8  0,-1#3\n"q x"@y\nz@z 0,1#2\n',
    b"0\n",
]
FIELDS = [b"", b"010P Received:\n007* X-R: y\n"]


class Message:
    """A message in a spool of its own; `number` chooses what is in its -H file."""

    def __init__(self, directory: Path, options: bytes, number: int) -> None:
        self.directory = directory
        (directory / "input").mkdir()
        fields = FIELDS[number % 2]
        header = (
            f"{MESSAGE_ID}-H\n".encode()
            + OWNERS[number % 3]
            + b"\n<%s>\n1795311346 0\n" % SENDERS[number % 4]
            + b"-received_time_usec .501343\n-received_time_complete 1795311346.502326\n"
            + options
            + TREES[number % 3]
            + RECIPIENTS[number % 4]
            + b"\n"
            + fields
        )
        (directory / "input" / f"{MESSAGE_ID}-H").write_bytes(header)
        (directory / "input" / f"{MESSAGE_ID}-D").write_bytes(f"{MESSAGE_ID}-D\n".encode() + b"body \0line\nx\n")
        self.fields: list[HeaderField] = [parse_field(b"Received:")] if fields else []

    def ours(self) -> dict[str, bytes]:
        environment = MessageEnvironment(
            parse_configuration(b"primary_hostname = h.example"),
            self.fields,
            message_id=MESSAGE_ID,
            spool_directory=str(self.directory),
        )
        return {name: expand(parse_template(f"${name}".encode()), environment).text for name in VARIABLES}

    def exim(self) -> dict[str, bytes]:
        configuration = self.directory / "exim.conf"
        configuration.write_text(
            f"spool_directory = {self.directory}\nlog_file_path = {self.directory}/%slog\n"
            "primary_hostname = h.example\nkeep_environment =\n"
        )
        configuration.chmod(0o644)
        command = [program("exim4", "exim4-daemon-heavy"), "-C", str(configuration), "-be", "-Mset", MESSAGE_ID]
        lines = "".join(f"${name}\n@@\n" for name in VARIABLES).encode()
        done = subprocess.run(command, input=lines, capture_output=True, timeout=60, check=True)
        results = done.stdout.split(b"\n> @@\n")
        return {name: result.removeprefix(b"> ") for name, result in zip(VARIABLES, results, strict=False)}


@pytest.mark.peer("exim")
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("shift", [0, 1, 2])
def test_exim_sees_the_same(tmp_path: Path, options: bytes, shift: int) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may use Exim's -Mset")
    message = Message(tmp_path, options, OPTIONS.index(options) + shift)
    assert message.ours() == message.exim()
