"""Lists of hosts: internal hosts (`-i`), peers (`-a`), external hosts (`-I`), as the old milters read them.

An entry is an address (`192.0.2.1`, `2001:db8::1`), a network (`192.0.2.0/24`, `2001:db8::/32`), a host name, or a
domain with a dot in front (`.example.org`, also written `*.example.org`: every host in it). `!` in front takes out what
the rest of the entry names.
The most specific entry decides, whatever its place in the list: the host name, then its domains from the longest to
the shortest, then the address, then networks from the narrowest to the widest.

A list in the configuration is these entries with blanks between them; one that begins with `/` is a file with an entry
a line, in which `#` begins a comment.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from exim_dkim.envelope import ClientAddress

MAX_ENTRIES: Final = 100_000
"""Entries of one list: a file of this length is a mistake, and each takes some hundred bytes."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class HostListError(ValueError):
    """An entry that is none; the text says which, and what to write."""


class HostList:
    """A set of hosts. Looking one up costs a dictionary access for each prefix length and domain level in use."""

    __slots__ = ("_lengths", "_names", "_networks")

    def __init__(self, entries: Iterable[str] = ()) -> None:
        """Raises `HostListError`."""
        self._names: dict[str, bool] = {}  # "host.example" or ".example" -> whether it is in
        self._networks: dict[tuple[int, int, int], bool] = {}  # (version, prefix length, network) -> the same
        for number, entry in enumerate(entries):
            if number >= MAX_ENTRIES:
                raise HostListError(f"more than {MAX_ENTRIES} entries; name networks instead of hosts")
            self._add(entry)
        self._lengths = {
            version: sorted({length for found, length, _ in self._networks if found == version}, reverse=True)
            for version in (4, 6)
        }

    def __bool__(self) -> bool:
        return bool(self._names or self._networks)

    def contains(self, address: ClientAddress | None, name: str = "") -> bool:
        """Whether a host is in the list. `address` None: not known; `name`: its verified name, empty if it has none."""
        found = self._of_name(name.rstrip(".").lower()) if name and self._names else None
        if found is None and address is not None:
            found = self._of_address(address)
        return bool(found)

    def _of_name(self, name: str) -> bool | None:
        if name in self._names:
            return self._names[name]
        start = name.find(".")
        while start >= 0:
            found = self._names.get(name[start:])
            if found is not None:
                return found
            start = name.find(".", start + 1)
        return None

    def _of_address(self, address: ClientAddress) -> bool | None:
        number, width = int(address), address.max_prefixlen
        for length in self._lengths[address.version]:
            found = self._networks.get((address.version, length, number >> (width - length)))
            if found is not None:
                return found
        return None

    def _add(self, entry: str) -> None:
        written = entry.removeprefix("!").strip()
        if written.startswith("*."):
            written = written[1:]
        included = not entry.startswith("!")
        network = _network(written)
        if network is not None:
            number = int(network.network_address) >> (network.max_prefixlen - network.prefixlen)
            self._networks[network.version, network.prefixlen, number] = included
        elif _is_name(written.removeprefix(".")):
            self._names[written.lower().rstrip(".")] = included
        else:
            raise HostListError(
                f"{entry!r} is not a host; write an address, a network as 192.0.2.0/24, a host name, or .example.org"
            )


def _network(written: str) -> Network | None:
    """An address or a network, whose host bits do not matter; brackets are for IPv6."""
    text = written.replace("[", "").replace("]", "")
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
    mapped = network.network_address.ipv4_mapped if isinstance(network, ipaddress.IPv6Network) else None
    if mapped is not None and network.prefixlen >= 96:
        return ipaddress.ip_network((mapped, network.prefixlen - 96), strict=False)
    return network


def _is_name(written: str) -> bool:
    """Whether this can be a host name: it has letters, so that a wrong address is not taken for one."""
    characters = written.replace(".", "").replace("-", "").replace("_", "")
    lettered = characters.isascii() and characters.isalnum() and not characters.isdigit()
    return lettered and ".." not in written and not written.startswith(".")


def read_entries(text: str, read_file: Callable[[str], str]) -> Iterator[str]:
    """The entries of an option: those in it, and those in the files that it names. `read_file` raises what it likes."""
    for item in text.replace(",", " ").split():
        if item.startswith("/"):
            yield from file_entries(read_file(item))
        else:
            yield item


def file_entries(text: str) -> Iterator[str]:
    """The entries of a file: one a line, `#` begins a comment."""
    for line in text.splitlines():
        entry = line.partition("#")[0].strip()
        if entry:
            yield entry
