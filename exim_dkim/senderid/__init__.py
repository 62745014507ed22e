"""Sender ID (RFC 4406) of the purported responsible address (RFC 4407): pra, record, evaluate."""
