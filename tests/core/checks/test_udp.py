import socket

import pytest

from core.checks import names, reach
from core.checks.udp import CHECK, judge
from core.model import Arg, Row, State
from core.probes.udp import TRIES, UdpFact, UdpOutcome
from tests.support.fakes import FakeMachine
from tests.support.running import fact, run_one
from tests.support.scripted import serving


@pytest.mark.parametrize(
    ("outcome", "finding", "state", "args"),
    [
        (UdpOutcome.OPEN, "udp.open", State.OK, {"ms": 12.3}),
        (UdpOutcome.CLOSED, "udp.closed", State.INFO, {}),
        (UdpOutcome.PROHIBITED, "udp.prohibited", State.WARN, {}),
        (UdpOutcome.BLOCKED_HERE, "udp.blocked-here", State.WARN, {}),
        # Silence is what a server without UDP does, and a firewall: no fault.
        (UdpOutcome.SILENT, "udp.no-answer", State.INFO, {"sent": 3}),
        (UdpOutcome.OTHER, "udp.failed", State.INFO, {"error": 22}),
    ],
)
def test_judge(outcome: UdpOutcome, finding: str, state: State, args: dict[str, Arg]) -> None:
    (found,) = judge(UdpFact(outcome=outcome, took_ms=12.34, sent=3, error=22))
    assert (found.id, found.state, found.args) == (finding, state, args)


def check(*, speaks: bool) -> Row:
    with serving("healthy", udp=speaks) as server:
        return run_one(FakeMachine(), names.CHECK, reach.CHECK, CHECK, host="127.0.0.1", port=server.port)


def test_the_same_port_is_asked() -> None:
    row = check(speaks=True)
    assert (row.findings[0].id, fact(row).sent) == ("udp.open", 1)
    assert check(speaks=False).findings[0].id == "udp.closed"


def test_a_near_server_is_not_waited_for_long() -> None:
    with serving("healthy") as server, socket.socket(type=socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", server.port))
        row = run_one(FakeMachine(), names.CHECK, reach.CHECK, CHECK, host="127.0.0.1", port=server.port)
    assert (row.findings[0].id, fact(row).sent) == ("udp.no-answer", TRIES)
    # Three waits of 0.08 s, the shortest, and not of 0.8 s, the longest.
    assert 239 <= fact(row).took_ms < 2000
