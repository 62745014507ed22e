"""The control-style configuration file: the grammar of the main part of Exim's own (Exim specification, chapter 6)."""
