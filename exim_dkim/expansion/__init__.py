"""Exim's string expansion language, `${…}` (Exim specification, chapter 11).

`parse_template` makes a template of a string, once; `expand` gives it a value, for each message; `compile` is how it
gets that quickly. Strings are bytes, in the C locale. Everything that an expansion may ask for comes from an
`Environment`; the language itself touches nothing.

The rest of the package, each imported only when a template needs it: `operators`, `items`, `conditions`, `lookups`
(tables of name -> function), `headers`, `rfc2047`, `addresses`, `numbers`, `fields`, `patterns`, `ip`.
"""

from exim_dkim.errors import ExpansionError, ForcedFailure
from exim_dkim.expansion.environment import EmptyEnvironment, Environment, Files, FileTrouble, NoFiles
from exim_dkim.expansion.evaluate import expand
from exim_dkim.expansion.lists import split_list
from exim_dkim.expansion.nodes import Template
from exim_dkim.expansion.parse import parse_template
from exim_dkim.expansion.value import EMPTY, Value

__all__ = [
    "EMPTY",
    "EmptyEnvironment",
    "Environment",
    "ExpansionError",
    "FileTrouble",
    "Files",
    "ForcedFailure",
    "NoFiles",
    "Template",
    "Value",
    "expand",
    "parse_template",
    "split_list",
]
