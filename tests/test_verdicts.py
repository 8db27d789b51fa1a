"""The whole product against every fault of the scripted server: which cause it names, and how sure it is."""

from dataclasses import dataclass

import pytest

from core import knowledge, run
from core.check import Group
from core.checks import ALL
from core.checks.quality import CHECK as QUALITY
from core.demo import negotiation
from core.demo.faults import FAULTS, Step
from core.demo.server import ScriptedServer
from core.machine import this_machine
from core.model import Certainty, Event, Family, Finding, Run, RunDone, State, Target
from core.probes.dialer import PER_RUN
from core.wire import rdp_file
from core.wire.rdp_file import RdpFile
from core.wire.x224 import Protocol
from tests.support import loopback

# Its second of sampling says nothing of a server's faults.
CHECKS = frozenset(check.id for check in ALL if check.group is Group.REMOTE) - {QUALITY.id}
WITHOUT_NLA = rdp_file.parse(b"full address:s:pc-anna\r\nenablecredsspsupport:i:0\r\n")

CERTAIN, LIKELY, ONE_OF_TWO = Certainty.CERTAIN, Certainty.LIKELY, Certainty.ONE_OF_TWO


@dataclass(frozen=True, slots=True)
class Expected:
    """A verdict; `twin` is the other candidate, `slow` a server that only a deadline ends."""

    cause: str | None
    certainty: Certainty | None
    family: Family
    because: str
    twin: str | None = None
    slow: bool = False


def it(
    cause: str, certainty: Certainty, because: str, *, twin: str | None = None, slow: bool = False
) -> Expected:
    return Expected(cause, certainty, Family.IT, because, twin, slow)


def user(cause: str, certainty: Certainty, because: str) -> Expected:
    return Expected(cause, certainty, Family.USER, because)


def unknown(because: str, *, slow: bool = False) -> Expected:
    """No cause: what was measured names none, and is not green."""
    return Expected(None, None, Family.UNKNOWN, because, slow=slow)


FINE = Expected(None, None, Family.FINE, "")

EXPECTED = {
    "healthy": FINE,
    "healthy-tls": FINE,
    "port-closed": it("port-closed", LIKELY, "reach.refused"),
    "not-rdp": user("not-rdp", CERTAIN, "negotiate.not-rdp"),
    "not-rdp-ssh": user("not-rdp", CERTAIN, "negotiate.not-rdp"),
    "not-rdp-tls": user("not-rdp", CERTAIN, "negotiate.not-rdp"),
    "server-silent": it("server-silent", LIKELY, "negotiate.silent", slow=True),
    "server-hangs-up-early": it("server-hangs-up-early", LIKELY, "negotiate.hung-up"),
    "server-hangs-up-early-reset": it("server-hangs-up-early", LIKELY, "negotiate.hung-up"),
    "server-no-certificate": it("server-no-certificate", CERTAIN, "negotiate.no-certificate"),
    "server-security-layer-old": it("server-security-layer-old", LIKELY, "negotiate.standard-security-only"),
    "server-security-layer-old-strict": it(
        "server-security-layer-old", LIKELY, "negotiate.standard-security-only"
    ),
    "server-key-unusable": it("server-key-unusable", ONE_OF_TWO, "tls.hung-up", twin="connection-cut-midway"),
    "server-key-unusable-reset": it(
        "server-key-unusable", ONE_OF_TWO, "tls.hung-up", twin="connection-cut-midway"
    ),
    "tls-version-mismatch": it("tls-version-mismatch", CERTAIN, "tls.old-only"),
    "tls-version-mismatch-alert": it("tls-version-mismatch", LIKELY, "tls.version-refused"),
    "tls-cipher-mismatch": it(
        "tls-cipher-mismatch", ONE_OF_TWO, "tls.suite-refused", twin="server-key-unusable"
    ),
    "tls-cipher-mismatch-null": it("tls-cipher-mismatch", CERTAIN, "tls.no-common-suite"),
    "server-certificate-expired": it("server-certificate-expired", LIKELY, "certificate.expired"),
    "server-certificate-not-yet-valid": it(
        "server-certificate-not-yet-valid", LIKELY, "certificate.not-yet-valid"
    ),
    "server-certificate-wrong-name": it("server-certificate-wrong-name", LIKELY, "certificate.wrong-machine"),
    "server-certificate-weak": it("server-certificate-weak", LIKELY, "certificate.weak-key"),
    "nla-broken": it("nla-broken", LIKELY, "nla.hung-up"),
    "nla-broken-blocked": it("nla-broken", LIKELY, "nla.refused"),
    "nla-broken-silent": it("nla-broken", LIKELY, "nla.silent", slow=True),
    "nla-required": user("nla-required", CERTAIN, "nla.required-but-forbidden"),
    "clock-skew": it("clock-skew", ONE_OF_TWO, "clock.skew", twin="clock-wrong-here"),
    "server-limits": it("server-limits", CERTAIN, "session.denied"),
    "server-limits-disconnect": it("server-limits", LIKELY, "session.sent-away"),
    "server-limits-full": it("server-limits", LIKELY, "session.refused"),
    "server-licensing": it("server-licensing", CERTAIN, "session.licensing"),
    "server-flood": user("not-rdp", LIKELY, "negotiate.garbled"),
    "server-flood-tls": unknown("tls.failed"),
    "server-trickle": it("server-silent", LIKELY, "negotiate.incomplete", slow=True),
    "server-garbage": it("server-silent", LIKELY, "negotiate.incomplete", slow=True),
    "server-garbage-confirm": user("not-rdp", LIKELY, "negotiate.garbled"),
    "server-garbage-tls": unknown("tls.failed"),
    "server-garbage-nla": unknown("nla.garbled"),
    "server-garbage-mcs": unknown("session.garbled"),
}


def check(
    fault: str, *, host: str = "127.0.0.1", rdp: RdpFile | None = None
) -> tuple[Run, list[tuple[Step, ...]]]:
    events: list[Event] = []

    async def go() -> tuple[Run, list[tuple[Step, ...]]]:
        async with ScriptedServer(FAULTS[fault], host=host, udp=True) as server:
            target = Target(typed=host, host=host, port=server.port, rdp=rdp)
            done = await run.check(this_machine(), target, events.append, options=run.Options(only=CHECKS))
            return done, server.connections

    done, connections = loopback.run(go())
    assert isinstance(events[-1], RunDone)
    return done, connections


def loud(done: Run) -> list[Finding]:
    return [f for f in done.findings if f.state in {State.PROBLEM, State.UNKNOWN}]


def test_every_fault_has_its_line() -> None:
    assert set(EXPECTED) == set(FAULTS)


@pytest.mark.parametrize("fault", FAULTS)
def test_verdict(monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    expected = EXPECTED[fault]
    monkeypatch.setattr("core.probes.session_step._AFTERWARDS", 0.1)
    if expected.slow:
        loopback.hurry(monkeypatch, 0.3)
    done, connections = check(fault, rdp=WITHOUT_NLA if fault == "nla-required" else None)
    verdict = done.verdict
    assert (verdict.cause, verdict.certainty, verdict.family) == (
        expected.cause,
        expected.certainty,
        expected.family,
    ), loud(done)
    assert verdict.candidates == tuple(c for c in (expected.cause, expected.twin) if c)
    assert expected.because in {"", *verdict.because, *(f.id for f in loud(done))}
    # Nothing else is wrong with these servers.
    assert verdict.also == ()
    assert all(f.reason != "bug" for f in done.findings)
    # No log-on, and no crowd.
    assert all(Step.AUTHENTICATE not in steps for steps in connections)
    assert len(connections) <= done.connections < PER_RUN


@pytest.mark.parametrize("fault", [name for name in FAULTS if EXPECTED[name].cause])
def test_the_name_of_a_fault_is_its_cause(fault: str) -> None:
    """As faults.py promises; a name that is no cause's belongs to a server that only misbehaves."""
    causes = [cause for cause in knowledge.causes() if fault.startswith(cause)]
    assert not causes or EXPECTED[fault].cause in causes


@pytest.mark.parametrize("fault", ["healthy", "server-certificate-expired", "server-no-certificate"])
def test_ipv6(fault: str) -> None:
    done, _ = check(fault, host="::1")
    assert done.verdict.cause == EXPECTED[fault].cause
    assert done.verdict.family is EXPECTED[fault].family


def test_a_healthy_server_is_green_in_every_row_that_was_looked_at() -> None:
    done, connections = check("healthy")
    states = {row.check: row.state for row in done.rows if row.check in CHECKS}
    skipped = {check for check, state in states.items() if state is State.SKIPPED}
    assert skipped == {"presence", "session", "gateway"}
    assert set(states.values()) <= {State.OK, State.INFO, State.SKIPPED}
    assert done.connections == len(connections) == 8


def test_a_whole_run_is_no_crowd() -> None:
    crowd = loopback.Crowd(loopback.says(negotiation.confirm(Protocol.HYBRID_EX), loopback.says(b"")))

    async def go() -> tuple[Run, int]:
        async with loopback.listening(crowd) as server:
            target = Target(typed="127.0.0.1", host="127.0.0.1", port=server.port)
            options = run.Options(only=CHECKS)
            return await run.check(this_machine(), target, lambda _: None, options=options), len(server.peers)

    done, came = loopback.run(go())
    assert done.verdict.cause == "server-key-unusable"
    assert crowd.most == 3
    assert came == done.connections
