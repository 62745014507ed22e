"""The item `readsocket` (Exim specification §11.7): the reply to a request on a socket.

readsocket = "${readsocket" "{" socket "}" "{" request "}"
             [ "{" options "}" [ "{" end-of-line "}" [ "{" failed "}" ] ] ] "}"
options    = time *( ":" "shutdown=" ( "yes" / "no" ) / ":" "cache=" ( "yes" / "no" ) )

The reply is not tainted, as in Exim: who answers there is trusted. Options of TLS are refused.
"""

from __future__ import annotations

from typing import Final

from exim_dkim.errors import ExpansionError
from exim_dkim.expansion.environment import OutsideTrouble
from exim_dkim.expansion.escapes import printable
from exim_dkim.expansion.evaluate import State
from exim_dkim.expansion.intervals import parse_interval
from exim_dkim.expansion.lists import split_list
from exim_dkim.expansion.nodes import Item, Template
from exim_dkim.expansion.parse import Parser
from exim_dkim.expansion.textitems import with_line_ends
from exim_dkim.expansion.value import EMPTY, Value, plain

_USUAL_SECONDS: Final = 5
_LONGEST_PATH: Final = 107  # sun_path of Linux, less its NUL


def parse_readsocket(parser: Parser, name: bytes, start: int) -> Item:
    """Two to four arguments, and what to use if it fails."""
    arguments: list[Template] = []
    parser.skip_blanks()
    while parser.at(b"{") and len(arguments) < 5:
        arguments.append(parser.argument())
        parser.skip_blanks()
    if len(arguments) < 2:
        raise parser.brace_error("Not enough arguments for 'readsocket' (min is 2)")
    if not parser.at(b"}"):
        raise parser.brace_error("missing '}' closing readsocket")
    parser.position += 1
    return Item(name, lambda state: _evaluate(arguments, state), start)


def _evaluate(arguments: list[Template], state: State) -> Value:
    address, request, *others = [argument.run(state) for argument in arguments[:4]]
    seconds, shutdown = _options(others[0].text if others else b"")
    try:
        _check(address)
        reply = state.environment.outside.ask_socket(address.text, request.text, seconds, shutdown=shutdown)
    except OutsideTrouble as error:
        if len(arguments) == 5:
            return arguments[4].run(state)
        raise ExpansionError(str(error)) from None
    # As in Exim, a NUL takes the rest of its line with it.
    text = b"\n".join(line.partition(b"\0")[0] for line in reply.split(b"\n"))
    ending = others[1] if len(others) > 1 else EMPTY
    return Value(with_line_ends(text, ending.text), ending.tainted) if ending.text else plain(text)


def _check(address: Value) -> None:
    shown = printable(address.text)
    if address.tainted:
        raise OutsideTrouble(f"Tainted path or host for readsocket: '{shown}'")
    if not address.text.startswith(b"inet:") and not address.text.startswith(b"/"):
        raise OutsideTrouble(f"failed to connect to socket {shown}: not an absolute path")
    if len(address.text) > _LONGEST_PATH and address.text.startswith(b"/"):
        raise OutsideTrouble(f"failed to connect to socket {shown}: File name too long")


def _options(text: bytes) -> tuple[int, bool]:
    """The time-out in seconds, and whether the writing half is closed after the request."""
    seconds, shutdown = _USUAL_SECONDS, True
    for index, item in enumerate(split_list(text)):
        name, _, value = item.partition(b"=")
        if index == 0 and item:
            found = parse_interval(item)
            if found is None:
                raise ExpansionError(f'"{printable(item)}" is not a time for readsocket')
            seconds = found
        elif name == b"shutdown":
            shutdown = value != b"no"
        elif item and name != b"cache":
            raise ExpansionError(f'option "{printable(item)}" of readsocket is not supported here')
    return seconds, shutdown
