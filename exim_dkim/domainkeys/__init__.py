"""DomainKeys (RFC 4870): `signature`, `fields`, `sender` and `policy` read, `verify` judges, `sign` makes a signature.

Historic, and with rsa-sha1 only; verification is off until `domainkeys_verify` is set.
"""
