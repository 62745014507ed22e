"""milter_server.filter with headers so large that work on them is done aside: the same comes of it, elsewhere."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from exim_dkim.dkim import verify
from exim_dkim.system.aside import LARGE
from milter_server import filter, signer
from milter_server.response import CONTINUE
from tests.support.milter_filters import FIELDS, SIGNER, make_filter, pass_through

NAMES = [b"mx.test", b"other.test", b"(comment) MX.test"]
CLAIMS = [(b"Authentication-Results", b" %s; dkim=pass" % name) for name in NAMES]
PADDING = (b"X-Padding", b" x" * LARGE)


class Threads:
    """Records in which threads functions run."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: dict[str, set[str]] = {}
        self._patch = monkeypatch

    def watch(self, place: Any, name: str) -> None:
        function = getattr(place, name)

        def watched(*arguments: Any) -> Any:
            self.names.setdefault(name, set()).add(threading.current_thread().name.partition("_")[0])
            return function(*arguments)

        self._patch.setattr(place, name, watched)


@pytest.fixture(name="threads")
def watched(monkeypatch: pytest.MonkeyPatch) -> Threads:
    threads = Threads(monkeypatch)
    threads.watch(filter, "find_forged")
    threads.watch(verify, "parse_signature")
    threads.watch(signer, "plan_signatures")
    return threads


@pytest.mark.parametrize("padding", [[], [PADDING]], ids=["small", "large"])
def test_sign_and_verify(padding: list[tuple[bytes, bytes]], threads: Threads) -> None:
    signing = make_filter(f"authserv_id = mx.test\n{SIGNER}")
    signed = pass_through(signing, [*CLAIMS, *FIELDS, *padding])
    assert signed.response == CONTINUE
    assert signed.results == ["other.test; dkim=pass"]
    assert len(signed.values("DKIM-Signature")) == 1
    verifying = make_filter("authserv_id = mx.test\nmilter_mode = v\n")
    verified = pass_through(verifying, [*CLAIMS, *signed.fields], address=b"192.0.2.1")
    assert [text.partition(" ")[0] for text in verified.results] == ["mx.test;", "other.test;", "other.test;"]
    assert "dkim=pass" in verified.results[0]
    assert len(threads.names) == 3
    assert all((names == {"aside"}) == bool(padding) for names in threads.names.values())
