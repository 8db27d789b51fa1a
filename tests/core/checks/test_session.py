import pytest

from core.checks import names, negotiate, reach
from core.checks.session import CHECK, SessionCheckFact, judge
from core.demo.faults import Script, Step
from core.model import Arg, Row, State
from core.probes.ending import Ending, How
from core.probes.ending import Step as At
from core.probes.session_step import Reached, SessionFact
from core.wire.mcs import Result
from tests.support.fakes import FakeMachine
from tests.support.loopback import hurry
from tests.support.running import fact, reason, run_one
from tests.support.scripted import serving


def seen(reached: Reached, **known: int | Ending) -> SessionFact:
    return SessionFact(took_ms=12.6, reached=reached, **known)  # type: ignore[arg-type]


def ended(how: How, step: At = At.MCS) -> Ending:
    return Ending(step=step, how=how, after_ms=3.0)


NOTHING, MCS, CHANNELS = Reached.NOTHING, Reached.MCS, Reached.CHANNELS
LICENSING, SESSION = Reached.LICENSING, Reached.SESSION


@pytest.mark.parametrize(
    ("session", "finding", "args"),
    [
        (seen(SESSION), "session.ok", {"reached": "session"}),
        (seen(LICENSING, license_code=7), "session.ok", {"reached": "licensing"}),
        # A licence request: what a licence server would say is out of sight, and so far all is well.
        (seen(LICENSING), "session.ok", {"reached": "licensing"}),
        (seen(MCS, encryption_method=2), "session.mcs-ok", {}),
        (seen(CHANNELS, error_info=7), "session.denied", {"code": "0x7"}),
        (seen(LICENSING, license_code=7, error_info=5), "session.ended", {"code": "0x5"}),
        (seen(CHANNELS, error_info=0xFF), "session.ended", {"code": "0xff"}),
        (seen(CHANNELS, error_info=0x100), "session.licensing", {"code": "0x100"}),
        (seen(CHANNELS, error_info=0x10A), "session.licensing", {"code": "0x10a"}),
        (seen(CHANNELS, error_info=0x10B), "session.ended", {"code": "0x10b"}),
        # The reason counts for more than the goodbye after it.
        (seen(CHANNELS, error_info=7, disconnect=1), "session.denied", {"code": "0x7"}),
        (seen(LICENSING, license_code=6, license_transition=1), "session.licensing", {"code": "0x6"}),
        (seen(NOTHING, mcs_result=Result.TOO_MANY_USERS), "session.refused", {"result": "too-many-users"}),
        (seen(NOTHING, mcs_result=99), "session.refused", {"result": "99"}),
        (seen(NOTHING, disconnect=1), "session.sent-away", {"reason_code": 1, "step": "mcs"}),
        (seen(MCS, disconnect=3), "session.sent-away", {"reason_code": 3, "step": "mcs"}),
        (seen(CHANNELS, disconnect=1), "session.sent-away", {"reason_code": 1, "step": "licensing"}),
        (
            seen(LICENSING, license_code=7, disconnect=1),
            "session.sent-away",
            {"reason_code": 1, "step": "licensing"},
        ),
        (seen(NOTHING, ending=ended(How.FIN)), "session.hung-up", {"how": "fin", "step": "mcs"}),
        (
            seen(CHANNELS, ending=ended(How.RST, At.LICENSING)),
            "session.hung-up",
            {"how": "rst", "step": "licensing"},
        ),
        (seen(NOTHING, ending=ended(How.SILENCE)), "session.silent", {"step": "mcs"}),
        (
            seen(CHANNELS, ending=ended(How.INCOMPLETE, At.LICENSING)),
            "session.silent",
            {"step": "licensing"},
        ),
        (seen(NOTHING, ending=ended(How.GARBAGE)), "session.garbled", {"step": "mcs"}),
        (seen(MCS, ending=ended(How.FLOOD)), "session.garbled", {"step": "mcs"}),
        # A server that let us in only so far, and gave no reason: we do not know what it wants.
        (seen(MCS, mcs_result=0), "session.garbled", {"step": "mcs"}),
        (seen(CHANNELS), "session.garbled", {"step": "licensing"}),
    ],
)
def test_judge(session: SessionFact, finding: str, args: dict[str, Arg]) -> None:
    (found,) = judge(SessionCheckFact(host="pc", session=session))
    assert found.id == finding
    assert found.args == {"host": "pc", "ms": 13, **args}
    states = {"session.ok": State.OK, "session.mcs-ok": State.OK, "session.garbled": State.UNKNOWN}
    assert found.state is states.get(finding, State.PROBLEM)


# --- the probe


def check(fault: str | Script) -> tuple[Row, list[tuple[Step, ...]]]:
    with serving(fault) as server:
        row = run_one(
            FakeMachine(),
            names.CHECK,
            reach.CHECK,
            negotiate.CHECK,
            CHECK,
            host="127.0.0.1",
            port=server.port,
        )
    return row, server.connections


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch, 0.3)


def test_a_server_that_lets_us_in_is_asked_once() -> None:
    row, connections = check("healthy-tls")
    assert (row.findings[0].id, row.tries, fact(row).session.reached) == ("session.ok", 1, LICENSING)
    assert len(connections) == 2


@pytest.mark.parametrize(
    ("fault", "finding"),
    [
        ("server-limits", "session.denied"),
        ("server-limits-disconnect", "session.sent-away"),
        ("server-limits-full", "session.refused"),
        ("server-licensing", "session.licensing"),
    ],
)
def test_a_refusal_is_heard_twice(fault: str, finding: str) -> None:
    row, connections = check(fault)
    assert (row.findings[0].id, row.tries) == (finding, 2)
    assert len(connections) == 3


def test_garbage_is_no_fault() -> None:
    row, _ = check("server-garbage-mcs")
    assert (row.findings[0].id, row.findings[0].state, row.tries) == ("session.garbled", State.UNKNOWN, 1)


def test_standard_rdp_security_is_looked_at_as_far_as_it_is_readable() -> None:
    """The answer of negotiate is red then, and this row says what else there is to see."""
    row, _ = check("server-security-layer-old")
    assert row.findings[0].id == "session.mcs-ok"


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("healthy", "behind-the-password"),
        ("server-no-certificate", "needs-negotiate"),
        ("server-hangs-up-early", "needs-negotiate"),
    ],
)
def test_where_there_is_nothing_to_see(fault: str, why: str) -> None:
    row, _ = check(fault)
    assert (row.findings[0].state, reason(row)) == (State.SKIPPED, why)
