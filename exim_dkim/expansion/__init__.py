"""Exim's string expansion language, `${…}` (Exim specification, chapter 11)."""
