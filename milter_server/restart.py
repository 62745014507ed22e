"""`-A`: a process that starts the filter again when it ends by itself.

The first start after a crash is a second later, the next two, four … up to a minute; who has served for ten minutes
begins anew. The sockets stay open meanwhile, so MTAs wait instead of failing.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import Final

FIRST_DELAY: Final = 1.0
LONGEST_DELAY: Final = 60.0
"""Seconds: a filter that cannot live at all must not take all of the machine's time, nor fill the log."""

GOOD_LIFE: Final = 600.0
"""Seconds of service after which a crash counts as the first one."""

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""What goes on to the child."""

log = logging.getLogger("milter_server")


class Keeper:
    """Keeps one child running. Signals to end or to reload go on to the child."""

    def __init__(
        self,
        work: Callable[[int], int],
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] | None = None,
    ) -> None:
        """`work` is run in the child; what it returns is the exit status. It is given a descriptor that is at its end
        when this process is gone. `wait` lets so many seconds pass.
        """
        self._work = work
        self._clock = clock
        self._wait = wait or self._sleep
        self.lives = 0
        """How often the child was started."""
        self._child = 0
        self._ending = False

    def run(self) -> int:
        """Until the child ends as it was asked to, or ends well; its exit status."""
        for number in SIGNALS:
            signal.signal(number, self._pass_on)
        delay = FIRST_DELAY
        while True:
            began = self._clock()
            status = self._live()
            if self._asked_to_end() or status == 0:
                return 0
            if self._clock() - began >= GOOD_LIFE:
                delay = FIRST_DELAY
            log.error("the filter ended with status %d; starting it again in %g s", status, delay)
            self._wait(delay)
            if self._asked_to_end():
                return 0
            delay = min(2 * delay, LONGEST_DELAY)

    def _asked_to_end(self) -> bool:
        return self._ending

    def _live(self) -> int:
        """One life of the child; its exit status, or minus the signal that ended it."""
        reader, writer = os.pipe()
        self.lives += 1
        # No signal between: the child would take it with our handler, and it would be lost.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        child = os.fork()
        if child == 0:
            os.close(writer)
            os._exit(self._child_life(reader))
        self._child = child
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        os.close(reader)
        if self._ending:  # asked to end before that
            os.kill(child, signal.SIGTERM)
        try:
            _, status = os.waitpid(child, 0)
        finally:
            self._child = 0
            os.close(writer)
        return os.waitstatus_to_exitcode(status)

    def _child_life(self, parent: int) -> int:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until there is something to reload
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        try:
            return self._work(parent)
        except BaseException as error:  # noqa: BLE001 - the parent's code must not run in the child
            log.error("the filter ended: %s: %s", type(error).__name__, error)
            return 70

    def _pass_on(self, number: int, _: FrameType | None) -> None:
        if number != signal.SIGHUP:
            self._ending = True
        if self._child:
            os.kill(self._child, number)

    def _sleep(self, seconds: float) -> None:
        """Until the time is over, or we are to end; a reload does not shorten it."""
        end = self._clock() + seconds
        while not self._ending and (left := end - self._clock()) > 0:
            time.sleep(min(left, 0.2))
