"""Sender authentication for mail servers: the engine."""
