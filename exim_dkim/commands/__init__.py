"""The `exim-dkim` command, one module a subcommand; the only part of the package that may import front ends, lazily."""
