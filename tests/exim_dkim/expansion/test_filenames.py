"""File names that expansions have made."""

from __future__ import annotations

import pytest

from exim_dkim.errors import ExpansionError
from exim_dkim.expansion.filenames import check_file_name, file_name_fault


@pytest.mark.parametrize("name", [b"/a", b"/a/..b/c", b"/a//b.pem", "/ä".encode()])
def test_names_that_are_fine(name: bytes) -> None:
    assert file_name_fault(name) == ""
    check_file_name(name)


@pytest.mark.parametrize(
    "name", [b"", b"a", b"./a", b"/..", b"/a/../b", b"/a\nb", b"/a\0b", b"/\x7f", b"/" + b"a" * 5000]
)
def test_names_that_are_refused(name: bytes) -> None:
    assert file_name_fault(name)
    with pytest.raises(ExpansionError, match="failed to open") as caught:
        check_file_name(name)
    assert caught.value.message.isprintable()
