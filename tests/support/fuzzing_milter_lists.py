"""Fuzz targets for what administrators of filters write: lists of hosts, domains and keys, actions, opendkim.conf."""

from __future__ import annotations

import ipaddress

from exim_dkim.config.opendkim import Outside
from exim_dkim.config.opendkim_options import import_opendkim
from milter_server.actions import parse_actions
from milter_server.domains import DomainList
from milter_server.hosts import HostList, file_entries
from milter_server.keylist import KeyList

SEEDS = [
    b"127.0.0.1\n!192.0.2.0/24 # not\n.example.org\n2001:db8::/32",
    b"*@example.org:example.org:/keys/mail:sel\n*:*:/keys/x.private",
    b"example.org\n*.example.net\na*b",
    b"badsignature=reject dnserror=t default=a",
]
OPENDKIM = [
    b"Domain example.org\nSelector s\nKeyFile /k\nMode sv # c\nSocket inet:8891@localhost\nUMask 007\n",
    b"SigningTable refile:/t\nKeyTable file:/t\nInternalHosts refile:/t\nOn-Default reject\nInclude /t\n",
    b"SigningTable file:/t\nKeyTable file:/t\nOversignHeaders From\nOmitHeaders *,-x\nMacroList a=b|c,d\n",
    b"SigningTable csl:*@a=k:%@b,b=k\nKeyTable db:/x\nMultipleSignatures yes\nPOPDBFile /x.db\n",
    b"SigningTable dsn:mysql://u:p@1+h/d/table=t?keycol=k?datacol=a\nKeyTable dsn:pgsql://h/d/table=t?keycol=k?datacol=a,b,c\n",
]
TOKENS = [
    b"*",
    b":",
    b"@",
    b".",
    b"!",
    b"/",
    b"%",
    b"\n",
    b" ",
    b"#",
    b"192.0.2.",
    b"::",
    b"=",
    b"file:",
    b"refile:",
    b"db:",
    b"dsn:mysql://u:p@h/d/table=t?keycol=k?datacol=a,b,c",
    b"ldap://h/b?a,b,c?sub?(m=$d)",
    b"csl:",
    b"%",
    b",",
]

TABLE = "*@example.org a\nkey %:s:/k/%\n.example.net key:who\n* %\n"
CLIENT = ipaddress.ip_address("192.0.2.1")


def lists(data: bytes) -> None:
    """Lists of every kind, each of which may refuse the text, and looking something up in them."""
    entries = list(file_entries(data.decode("utf-8", "surrogateescape")))
    refused = 0
    for use in (
        lambda: HostList(entries).contains(CLIENT, "a.example.org"),
        lambda: DomainList(entries, subdomains=True).signing_domain("a.example.org"),
        lambda: KeyList(entries, lambda path: False).find("a" * 50, "example.org"),
        lambda: parse_actions(" ".join(entries)),
    ):
        try:
            use()
        except ValueError:
            refused += 1


def opendkim(data: bytes) -> None:
    """A configuration of OpenDKIM, all of whose files hold the same table."""
    outside = Outside(
        lambda path: TABLE, lambda path: [("a", data[:99].decode("latin-1"))], lambda path: ["k", "example.org"]
    )
    imported = import_opendkim(data.decode("utf-8", "surrogateescape"), "opendkim.conf", outside)
    for rule in imported.rules:
        assert str(rule).count(":") in (3, 4)
