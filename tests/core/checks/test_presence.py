from dataclasses import replace

import pytest

from core.checks.presence import PresenceFact, Sign, judge
from core.model import Arg, State
from core.ports import Echo, EchoOutcome, NeighbourState

SILENT = Echo(outcome=EchoOutcome.SILENT, took_ms=700.0)
NEAR = Sign(
    address="192.0.2.5", echo=SILENT, interface="eth0", source="192.0.2.1", neighbour=NeighbourState.STALE
)
FAR = replace(NEAR, address="198.51.100.5", gateway="192.0.2.254", neighbour=NeighbourState.REACHABLE)


def echo(outcome: EchoOutcome, sender: str | None) -> Echo:
    return Echo(outcome=outcome, took_ms=12.34, sender=sender)


ALIVE = ("presence.alive", State.INFO)
ABSENT = ("presence.absent", State.PROBLEM)
NO_SIGN = ("presence.no-sign", State.UNKNOWN)
REPORTED = ("presence.unreachable-reported", State.INFO)
ROUTER = ("presence.router-silent", State.PROBLEM)


@pytest.mark.parametrize(
    ("signs", "finding", "args"),
    [
        (
            [replace(FAR, echo=echo(EchoOutcome.REPLY, "198.51.100.5"))],
            ALIVE,
            {"sign": "echo", "address": "198.51.100.5", "ms": 12.3},
        ),
        # The host itself forbids the echo: it is there.
        (
            [replace(FAR, echo=echo(EchoOutcome.PROHIBITED, "198.51.100.5"))],
            ALIVE,
            {"sign": "echo", "address": "198.51.100.5", "ms": 12.3},
        ),
        (
            [replace(NEAR, neighbour=NeighbourState.REACHABLE)],
            ALIVE,
            {"sign": "neighbour", "address": "192.0.2.5", "ms": None},
        ),
        (
            [replace(NEAR, echo=None, neighbour=NeighbourState.REACHABLE)],
            ALIVE,
            {"sign": "neighbour", "address": "192.0.2.5", "ms": None},
        ),
        (
            [replace(NEAR, neighbour=NeighbourState.FAILED)],
            ABSENT,
            {"address": "192.0.2.5", "interface": "eth0"},
        ),
        (
            [replace(NEAR, neighbour=NeighbourState.INCOMPLETE)],
            ABSENT,
            {"address": "192.0.2.5", "interface": "eth0"},
        ),
        # Our own system's word that nobody answers ARP is no report of a router.
        (
            [replace(NEAR, neighbour=NeighbourState.FAILED, echo=echo(EchoOutcome.UNREACHABLE, "192.0.2.1"))],
            ABSENT,
            {"address": "192.0.2.5", "interface": "eth0"},
        ),
        (
            [replace(FAR, neighbour=NeighbourState.FAILED)],
            ROUTER,
            {"gateway": "192.0.2.254", "interface": "eth0"},
        ),
        (
            [replace(FAR, echo=echo(EchoOutcome.UNREACHABLE, "203.0.113.9"))],
            REPORTED,
            {"sender": "203.0.113.9", "address": "198.51.100.5"},
        ),
        (
            [replace(FAR, unreachable_by="203.0.113.9")],
            REPORTED,
            {"sender": "203.0.113.9", "address": "198.51.100.5"},
        ),
        ([NEAR], NO_SIGN, None),
        # That the router lives says nothing of the host.
        ([FAR], NO_SIGN, None),
        ([replace(FAR, unreachable_by="192.0.2.1")], NO_SIGN, None),
        ([replace(FAR, echo=echo(EchoOutcome.UNREACHABLE, None))], NO_SIGN, None),
        ([replace(FAR, echo=echo(EchoOutcome.PROHIBITED, "203.0.113.9"))], NO_SIGN, None),
        ([replace(NEAR, neighbour=NeighbourState.PERMANENT)], NO_SIGN, None),
        ([replace(NEAR, neighbour=NeighbourState.NONE)], NO_SIGN, None),
        # Of several addresses, one that lives is enough, and one that is silent keeps the question open.
        (
            [
                replace(NEAR, neighbour=NeighbourState.FAILED),
                replace(FAR, echo=echo(EchoOutcome.REPLY, None)),
            ],
            ALIVE,
            None,
        ),
        ([replace(NEAR, neighbour=NeighbourState.FAILED), FAR], NO_SIGN, None),
        (
            [replace(NEAR, neighbour=NeighbourState.FAILED), replace(FAR, unreachable_by="203.0.113.9")],
            ABSENT,
            None,
        ),
    ],
)
def test_judge(signs: list[Sign], finding: tuple[str, State], args: dict[str, Arg] | None) -> None:
    (found,) = judge(PresenceFact(host="pc", signs=tuple(signs)))
    assert (found.id, found.state) == finding
    if args is not None:
        assert found.args == args


@pytest.mark.parametrize(
    ("refused", "reason"), [(None, "echo-often-blocked"), ("no way", "echo-not-possible")]
)
def test_no_sign_says_why(refused: str | None, reason: str) -> None:
    (found,) = judge(PresenceFact(host="pc", signs=(replace(FAR, echo=None),), echo_refused=refused))
    assert (found.id, found.reason, found.settle) == ("presence.no-sign", reason, "ask-someone-there")
