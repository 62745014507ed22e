"""DKIM signatures (RFC 6376, 8301, 8463, 8616): `signature` reads the field, `verify` judges, `sign` makes one."""
