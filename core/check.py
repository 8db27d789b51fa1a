"""What a check is: a probe that touches and decides nothing, a judge that decides and touches nothing."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Mapping
from enum import StrEnum
from typing import Any, Generic, TypeVar, cast

import msgspec

from core.model import Arg, F, Finding, Ok, Row, State, Target
from core.ports import Machine
from core.probes.dialer import Dialer

T = TypeVar("T")


class Group(StrEnum):
    """Local checks look at this PC alone; remote ones talk to the other side."""

    LOCAL = "local"
    REMOTE = "remote"


class Skip(Exception):  # noqa: N818 - an answer, not an error
    """Raised by a probe that has nothing to measure here: the row says "not checked" with this reason."""

    def __init__(self, reason: str, *, settle: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.settle = settle


class Shared:
    """Measurements that several checks look at, made once each.

    A measurement belongs to the run and not to the check that asked first: a check that gives up at its
    deadline takes nothing from the others.
    """

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self._group = group
        self._futures: dict[Hashable, asyncio.Future[Any]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._kept: dict[Hashable, Any] = {}

    def keep(self, key: Hashable, make: Callable[[], T]) -> T:
        """The object called `key`; `make` makes it the first time."""
        if key not in self._kept:
            self._kept[key] = make()
        return cast("T", self._kept[key])

    def start(self, key: Hashable, make: Callable[[], Coroutine[Any, Any, T]]) -> asyncio.Future[T]:
        """The running or finished measurement called `key`; `make` starts it the first time.

        Await it through `asyncio.shield`. An exception of the measurement reaches everyone who awaits it.
        """
        if key not in self._futures:
            future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
            # Marks an exception as seen: a measurement that nobody awaits any more may fail in silence.
            future.add_done_callback(lambda f: None if f.cancelled() else f.exception())
            self._futures[key] = future
            self._tasks.append(self._group.create_task(self._fill(future, make), name=f"shared {key}"))
        return self._futures[key]

    def end(self) -> None:
        """Stop what still runs: nobody is left to look at it."""
        for task in self._tasks:
            task.cancel()

    @staticmethod
    async def _fill(future: asyncio.Future[T], make: Callable[[], Coroutine[Any, Any, T]]) -> None:
        try:
            result = await make()
        except asyncio.CancelledError:
            future.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - handed to those who await it
            if not future.done():
                future.set_exception(error)
        else:
            if not future.done():
                future.set_result(result)


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What a probe may use. `attempt` is 1, or 2 when a bad first result is measured again."""

    machine: Machine
    target: Target
    dialer: Dialer
    shared: Shared
    rows: Mapping[str, Row]
    attempt: int = 1

    def fact(self, check: "Check[F]") -> F | None:
        """What the probe of an earlier check brought home; None if it brought nothing. Name the check in `needs`."""
        row = self.rows.get(check.id)
        return cast("F", row.measured.fact) if row is not None and isinstance(row.measured, Ok) else None

    @property
    def host(self) -> str:
        """The host to reach. Only for checks of the remote group, which never run without one."""
        assert self.target.host is not None
        return self.target.host


class Check(msgspec.Struct, Generic[F], frozen=True, kw_only=True):
    """One row of the panel.

    Attributes:
        needs: checks that must have run, and not ended red or unmeasured, for this one to make sense.
        reads: checks whose facts this one looks at, whatever they say; they run with it.
        after: checks that shall be over first, if they run at all.
        deadline: seconds for one try; a net below the waits inside the probe, which mean something.
        retry: measure a second time before it turns red. For everything that goes over a network.
    """

    id: str
    group: Group
    probe: Callable[[Context], Awaitable[F]]
    judge: Callable[[F], tuple[Finding, ...]]
    needs: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    deadline: float = 8.0
    retry: bool = True

    @property
    def parents(self) -> tuple[str, ...]:
        """Every check that has to be over before this one starts."""
        return self.needs + self.reads + self.after


def ok(finding: str, **args: Arg) -> Finding:
    return Finding(id=finding, state=State.OK, args=args)


def problem(finding: str, **args: Arg) -> Finding:
    return Finding(id=finding, state=State.PROBLEM, args=args)


def warn(finding: str, **args: Arg) -> Finding:
    return Finding(id=finding, state=State.WARN, args=args)


def info(finding: str, **args: Arg) -> Finding:
    return Finding(id=finding, state=State.INFO, args=args)


def unknown(finding: str, *, reason: str, settle: str | None = None, **args: Arg) -> Finding:
    return Finding(id=finding, state=State.UNKNOWN, args=args, reason=reason, settle=settle)


def skipped(finding: str, *, reason: str, settle: str | None = None, **args: Arg) -> Finding:
    return Finding(id=finding, state=State.SKIPPED, args=args, reason=reason, settle=settle)


def elapsed_ms(since: float) -> float:
    """Milliseconds since a `time.perf_counter()` value, to the hundredth."""
    return round((time.perf_counter() - since) * 1000, 2)
