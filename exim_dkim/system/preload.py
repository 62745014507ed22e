"""Import now what would be imported later, in a process that is about to become another user.

Modules are loaded when they are first needed, so that the filter starts fast. Who gives up root may afterwards not be
able to read them: the package may be installed below a directory that is closed to others.
"""

from __future__ import annotations

import grp  # noqa: F401
import importlib
import pkgutil
import pwd  # noqa: F401
from collections.abc import Iterable

import exim_dkim
from exim_dkim.crypto import generate_private_key
from exim_dkim.names import Domain

RECORD_TYPES = ("A", "AAAA", "CNAME", "MX", "NS", "PTR", "SOA", "SPF", "SRV", "TLSA", "TXT")
"""What dnspython loads one by one, when such a record is first seen."""


def preload(packages: Iterable[str] = ()) -> None:
    """Import the engine, what it needs of dnspython, and `packages`, each with all of its modules."""
    for module in pkgutil.walk_packages(exim_dkim.__path__, "exim_dkim.", onerror=lambda name: None):
        if ".commands" not in module.name and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in packages:
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    generate_private_key("ed25519", 0)  # brings what `cryptography` has for keys of every kind
    Domain.parse("ü.example".encode())  # and this the tables of international names
    _preload_record_types()


def _preload_record_types() -> None:
    import dns.rdata
    import dns.rdataclass
    import dns.rdatatype

    for name in RECORD_TYPES:
        dns.rdata.get_rdata_class(dns.rdataclass.IN, dns.rdatatype.from_text(name))  # type: ignore[no-untyped-call]
