"""What a cold start of the signing filter imports: its latency is one interpreter start for each message."""

from __future__ import annotations

import subprocess
import sys

# Each costs milliseconds, of about 25 in all, and none is needed to sign.
COSTLY = (
    "argparse", "asyncio", "click", "dataclasses", "dns", "email", "hashlib", "idna", "inspect", "ipaddress", "json",
    "logging", "pathlib", "pcre2", "rich", "shutil", "socket", "subprocess", "tempfile", "tokenize", "urllib",
    "cryptography.hazmat.primitives.serialization", "cryptography.hazmat.primitives.asymmetric.ed25519",
    "exim_dkim.dkim.verify", "exim_dkim.resolver",
)  # fmt: skip


def test_signing_imports_nothing_costly() -> None:
    program = (
        "import sys; import transport_wrapper.main, transport_wrapper.arguments, transport_wrapper.filter; "
        "print('\\n'.join(sorted(sys.modules)))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60
    ).stdout.split()
    assert "exim_dkim.dkim.sign" in printed
    assert [name for name in COSTLY if name in printed] == []
