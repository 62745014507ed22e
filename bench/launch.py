"""Runs a command and prints what it took: `python -I -S launch.py COUNT STDIN STDOUT COMMAND…`.

A process of its own, and a small one: Linux counts the memory of whoever starts a program as the program's peak.
Each run prints one line: seconds of wall time, seconds of CPU time, peak memory in KiB, exit status.
"""

import os
import sys
import time


def main() -> None:
    """See above."""
    count, source, target, *command = sys.argv[1:]
    for _ in range(int(count)):
        files = [
            (os.POSIX_SPAWN_OPEN, 0, source, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
        ]
        start = time.perf_counter()
        process = os.posix_spawn(command[0], command, os.environ, file_actions=files)
        _, status, usage = os.wait4(process, 0)
        wall = time.perf_counter() - start
        print(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss, os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
