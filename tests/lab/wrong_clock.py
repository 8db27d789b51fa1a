"""The tool with a wrong clock: `python -m tests.lab.wrong_clock SECONDS_AHEAD ARGUMENT...`.

libfaketime cannot serve here: under it Python's time.sleep fails, for it mistakes the monotonic deadline of
clock_nanosleep(2) for one of the wall clock. And Linux has no time namespace for the wall clock.
"""

import sys
from datetime import UTC, datetime, timedelta

from core import cli
from core.linux.clock import LinuxClock


def main(ahead: timedelta, *arguments: str) -> None:
    def now(_clock: LinuxClock) -> datetime:
        return datetime.now(UTC) + ahead

    LinuxClock.now = now  # type: ignore[method-assign,assignment]
    cli.main(arguments)


if __name__ == "__main__":
    main(timedelta(seconds=float(sys.argv[1])), *sys.argv[2:])
