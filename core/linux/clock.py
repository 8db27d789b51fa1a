"""The clock on Linux: the time, and what the kernel's own discipline says about it (adjtimex(2))."""

import ctypes
import errno
import os
from datetime import UTC, datetime

import msgspec

from core.ports import ClockState, Denied, Unsupported

_STA_UNSYNC = 0x0040
_SPARE_WORDS = 11


class _Timex(ctypes.Structure):
    """struct timex, linux/timex.h. With `modes` 0 the call only reads."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("time_sec", ctypes.c_long),
        ("time_usec", ctypes.c_long),
        ("tick", ctypes.c_long),
        ("ppsfreq", ctypes.c_long),
        ("jitter", ctypes.c_long),
        ("shift", ctypes.c_int),
        ("stabil", ctypes.c_long),
        ("jitcnt", ctypes.c_long),
        ("calcnt", ctypes.c_long),
        ("errcnt", ctypes.c_long),
        ("stbcnt", ctypes.c_long),
        ("tai", ctypes.c_int),
        ("spare", ctypes.c_int * _SPARE_WORDS),
    )


class LinuxClock(msgspec.Struct, frozen=True):
    """Implements `core.ports.Clock`."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def state(self) -> ClockState:
        """Whether a time service keeps the clock. Raises Denied in a sandbox, Unsupported without the call."""
        timex = _Timex()
        try:
            adjtimex = ctypes.CDLL(None, use_errno=True).adjtimex
        except (OSError, AttributeError) as error:
            raise Unsupported(f"adjtimex: {error}") from None
        if adjtimex(ctypes.byref(timex)) == -1:
            number = ctypes.get_errno()
            answer = Denied if number in {errno.EPERM, errno.EACCES} else Unsupported
            raise answer(f"adjtimex: {os.strerror(number)}")
        synchronised = not timex.status & _STA_UNSYNC
        return ClockState(
            synchronised=synchronised,
            # Nobody estimates an error while nobody keeps the time.
            estimated_error_ms=timex.esterror / 1000 if synchronised else None,
            detail=f"status {timex.status:#06x}, esterror {timex.esterror} us, maxerror {timex.maxerror} us",
        )
