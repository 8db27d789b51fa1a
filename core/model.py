"""The words that every part of the product shares: what was asked, measured, found and concluded.

Frozen data without behaviour. Nothing here holds a sentence: ids and arguments go out, `core.text` turns
them into a person's language. The values of the enums are a contract with texts, knowledge and reports.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Generic, TypeAlias, TypeVar

import msgspec

from core.wire.error_text import PastedError
from core.wire.rdp_file import RdpFile

Arg: TypeAlias = str | int | float | bool | None
F = TypeVar("F")
F_co = TypeVar("F_co", covariant=True)


class State(StrEnum):
    """What one finding says. `unknown` (tried, cannot tell) and `skipped` (not tried) carry a reason."""

    OK = "ok"
    PROBLEM = "problem"
    WARN = "warn"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"
    INFO = "info"


_GRAVEST_FIRST = (State.PROBLEM, State.WARN, State.UNKNOWN, State.OK, State.INFO, State.SKIPPED)


def gravest(states: Iterable[State]) -> State:
    """The state that stands for several: one problem outweighs any number of good answers."""
    return min(states, key=_GRAVEST_FIRST.index)


class Where(StrEnum):
    HERE = "here"
    WAY = "way"
    THERE = "there"
    UNKNOWN = "unknown"


class Who(StrEnum):
    """The person who can mend a cause."""

    USER = "user"
    LOCAL_ADMIN = "local-admin"
    NETWORK_ADMIN = "network-admin"
    SERVER_ADMIN = "server-admin"


class Certainty(StrEnum):
    CERTAIN = "certain"
    LIKELY = "likely"
    ONE_OF_TWO = "one-of-two"


class Family(StrEnum):
    """Which of the five endings a run has: we can mend it, the person can, only IT can, all fine, no cause found."""

    FIX = "fix"
    USER = "user"
    IT = "it"
    FINE = "fine"
    UNKNOWN = "unknown"


class Why(StrEnum):
    """Why there is no measurement."""

    TIMEOUT = "timeout"
    DENIED = "denied"
    UNSUPPORTED = "unsupported"
    BLOCKED = "blocked"
    NOT_NEEDED = "not-needed"
    STOPPED = "stopped"
    BUG = "bug"


class Gateway(msgspec.Struct, frozen=True, kw_only=True):
    """An RD Gateway in front of the target. `always` is false where the client tries the direct way first."""

    host: str
    port: int = 443
    always: bool = True


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """What the user wants to reach. `host` is None for a run that checks only this PC."""

    typed: str
    host: str | None
    port: int = 3389
    gateway: Gateway | None = None
    rdp: RdpFile | None = None


class Ok(msgspec.Struct, Generic[F_co], frozen=True):
    """A measurement that took place. A refused or dropped connection is one too."""

    fact: F_co


class NotMeasured(msgspec.Struct, frozen=True, kw_only=True):
    """A measurement that did not take place. `detail` is for evidence, never for a sentence."""

    why: Why
    detail: str = ""
    reason: str | None = None
    settle: str | None = None


Measured: TypeAlias = Ok[F] | NotMeasured


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a check says.

    Attributes:
        id: `check.what`, stable: texts, knowledge, tests and outside scripts use it.
        args: values for the sentence; strings in it may come from a stranger.
        reason: for `unknown` and `skipped`: the id of why (`timeout`, `needs-reach`, ...).
        settle: the id of what would settle it (`run-as-admin`, `reach`, ...).
    """

    id: str
    state: State
    args: Mapping[str, Arg] = msgspec.field(default_factory=dict)
    reason: str | None = None
    settle: str | None = None

    @property
    def check(self) -> str:
        return self.id.partition(".")[0]


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One check after its run: a line of the panel.

    Attributes:
        findings: at least one, the headline of the row first; what derive says about it last.
        measured: what the probe brought home, for evidence and for other checks.
        tries: how often the probe ran. 2 means that the first result was bad and was measured again.
        first_try: finding ids of a first try that the second one contradicted, else empty.
        started_ms, duration_ms: from the start of the run, real time.
    """

    check: str
    findings: tuple[Finding, ...]
    measured: Measured[Any]
    needs: tuple[str, ...] = ()
    tries: int = 1
    first_try: tuple[str, ...] = ()
    started_ms: int = 0
    duration_ms: int = 0

    @property
    def state(self) -> State:
        return gravest(f.state for f in self.findings)


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The one sentence. `candidates` are one cause or, for `one-of-two`, both; `also` are other faults that
    were measured and do not stop the connection.
    """

    family: Family
    cause: str | None = None
    certainty: Certainty | None = None
    where: Where = Where.UNKNOWN
    who: Who | None = None
    candidates: tuple[str, ...] = ()
    because: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    fixes: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    args: Mapping[str, Arg] = msgspec.field(default_factory=dict)


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """Everything one run has learnt; the report is made from it.

    `steering` are findings that belong to no row: what the pasted error says.
    """

    id: str
    started: str
    duration_ms: int
    target: Target
    addresses: tuple[str, ...]
    error: PastedError | None
    rows: tuple[Row, ...]
    steering: tuple[Finding, ...]
    verdict: Verdict
    connections: int
    cancelled: bool = False

    @property
    def findings(self) -> tuple[Finding, ...]:
        return tuple(f for row in self.rows for f in row.findings) + self.steering


class CheckStarted(msgspec.Struct, frozen=True):
    check: str


class CheckDone(msgspec.Struct, frozen=True):
    row: Row


class RunDone(msgspec.Struct, frozen=True):
    """Always the last event, sent after everything has unwound. `connections` is how many TCP connections were opened."""

    rows: tuple[Row, ...]
    cancelled: bool
    connections: int


Event: TypeAlias = CheckStarted | CheckDone | RunDone
