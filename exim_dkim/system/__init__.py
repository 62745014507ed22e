"""The outside world: files, Exim's spool, DNS. The only impure part of the engine beside the commands."""
