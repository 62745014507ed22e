"""IP addresses as texts: `${if isip`, networks in lists, and the operators that change their form (§11.8)."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from exim_dkim.errors import ExpansionError
from exim_dkim.expansion.escapes import printable

_KNOWN: Final = 128  # texts: the networks of lists, and clients that come again


@lru_cache(_KNOWN)
def ip_version(text: bytes, *, mask: bool = False) -> int:
    """4 or 6 for an address, if `mask` also with a mask behind it; 0 for anything else."""
    address, slash, bits = text.partition(b"/")
    if slash and not (mask and bits.isdigit() and len(bits) <= 3):
        return 0
    version = 4 if _ipv4(address) is not None else 6 if _ipv6(address) is not None else 0
    return version if not slash or (version and int(bits) <= (32 if version == 4 else 128)) else 0


def address_in_network(text: bytes, network: bytes) -> bool:
    """True if an address is within a network, or equal to an address without mask."""
    base, slash, bits = network.partition(b"/")
    if not ip_version(network, mask=True) or not ip_version(text):
        return False
    one, other = _number(text), _number(base)
    if one is None or other is None or one[1] != other[1]:
        return False
    shift = one[1] - int(bits) if slash else 0
    return one[0] >> shift == other[0] >> shift


@lru_cache(_KNOWN)
def _number(text: bytes) -> tuple[int, int] | None:
    """An address as a number and its width in bits."""
    value = _ipv4(text)
    if value is not None:
        return value, 32
    value = _ipv6(text)
    return None if value is None else (value, 128)


def _ipv4(text: bytes) -> int | None:
    parts = text.split(b".")
    if len(parts) != 4 or not all(part.isdigit() and part == b"%d" % min(int(part[:4]), 255) for part in parts):
        return None
    return int.from_bytes(bytes(map(int, parts)), "big")


def _ipv6(text: bytes) -> int | None:
    text = text.partition(b"%")[0]
    left, gap, right = text.partition(b"::")
    if text.count(b"::") > 1 or b":" not in text or (gap and b"." in left):
        return None
    before, after = _groups(left), _groups(right)
    if before is None or after is None:
        return None
    missing = 8 - len(before) - len(after)
    if missing < (1 if gap else 0) or (not gap and missing):
        return None
    value = 0
    for group in [*before, *[0] * missing, *after]:
        value = value << 16 | group
    return value


def _groups(text: bytes) -> list[int] | None:
    """The 16-bit groups of one side; an IPv4 address may be the last two."""
    groups: list[int] = []
    if not text:
        return groups
    parts = text.split(b":")
    for index, part in enumerate(parts):
        if index == len(parts) - 1 and b"." in part:
            tail = _ipv4(part)
            if tail is None:
                return None
            groups += [tail >> 16, tail & 0xFFFF]
        elif 0 < len(part) <= 4 and all(byte in b"0123456789abcdefABCDEF" for byte in part):
            groups.append(int(part, 16))
        else:
            return None
    return groups


# Operators


def masked(text: bytes, *, normal: bool) -> bytes:
    """`${mask:`: the network of an address with a mask; IPv6 with dots and in full, unless it is to be `normal`."""
    shown = printable(text)
    address, slash, bits = text.partition(b"/")
    number = _number(address)
    if number is None or (bits and not bits.isdigit()):
        raise ExpansionError(f'"{shown}" is not an IP address')
    if not slash:
        raise ExpansionError(f'missing mask value in "{shown}"')
    value, width = number
    length = int(bits[:9] or b"0")
    if length > width:
        raise ExpansionError(f'mask value too big in "{shown}"')
    value = value >> (width - length) << (width - length)
    if width == 32:
        network = b".".join(b"%d" % octet for octet in value.to_bytes(4, "big"))
    else:
        network = _short(value) if normal else b".".join(_hexadecimal_groups(value))
    return b"%s/%d" % (network, length)


def normal_form(text: bytes) -> bytes:
    """`${ipv6norm:`: as short as it can be; IPv4 as a mapped address."""
    return _short(_as_ipv6(text))


def full_form(text: bytes) -> bytes:
    """`${ipv6denorm:`: with all its zeros; IPv4 as a mapped address."""
    return b":".join(_hexadecimal_groups(_as_ipv6(text)))


def reversed_form(text: bytes) -> bytes:
    """`${reverse_ip:`: octets or nibbles from the last to the first, as in in-addr.arpa and ip6.arpa."""
    address, slash, bits = text.partition(b"/")
    number = _number(address)
    if number is None or (slash and bits and not bits.isdigit()):
        raise ExpansionError(f"reverse_ip() not given an IP address [{printable(text)}]")
    value, width = number
    if width == 32 or value >> 32 == 0xFFFF:
        return b".".join(b"%d" % octet for octet in (value & 0xFFFFFFFF).to_bytes(4, "little"))
    return b".".join(b"%c" % digit for digit in reversed(b"%032x" % value))


def _as_ipv6(text: bytes) -> int:
    number = _number(text)
    if number is None:
        raise ExpansionError(f'"{printable(text)}" is not an IP address')
    return number[0] if number[1] == 128 else 0xFFFF << 32 | number[0]


def _hexadecimal_groups(value: int) -> list[bytes]:
    digits = b"%032x" % value
    return [digits[start : start + 4] for start in range(0, 32, 4)]


def _short(value: int) -> bytes:
    """An address with the first of its longest runs of zeros left out, be it a single one."""
    groups = [b"%x" % (value >> shift & 0xFFFF) for shift in range(112, -16, -16)]
    best, length = 0, 0
    for start in range(8):
        end = start
        while end < 8 and groups[end] == b"0":
            end += 1
        if end - start > length:
            best, length = start, end - start
    if not length:
        return b":".join(groups)
    return b":".join(groups[:best]) + b"::" + b":".join(groups[best + length :])
