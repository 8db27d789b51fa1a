import pytest
from msgspec.structs import replace

from core.checks import names, reach
from core.checks.negotiate import CHECK, NegotiateFact, judge
from core.demo.faults import FAULTS, Script, Step
from core.model import Arg, Row, State
from core.probes.dialer import Attempt, Connect
from core.probes.ending import Ending, How
from core.probes.ending import Step as At
from core.probes.x224_step import Answer, NegotiationFact
from core.wire.x224 import FailureCode
from tests.support.fakes import FakeMachine
from tests.support.loopback import hurry
from tests.support.running import fact, run_one
from tests.support.scripted import serving


def said(answer: Answer, **known: object) -> NegotiationFact:
    return replace(NegotiationFact(asked=11, answer=answer, took_ms=4.56), **known)


def ended(how: How, received: int = 0) -> NegotiationFact:
    return said(Answer.NONE, ending=Ending(step=At.X224, how=how, after_ms=12.6, received=received))


CONFIRM = said(Answer.CONFIRM, selected=2)


@pytest.mark.parametrize(
    ("seen", "finding", "args"),
    [
        (CONFIRM, "negotiate.ok", {"protocol": "nla", "ms": 4.6}),
        (replace(CONFIRM, selected=8), "negotiate.ok", {"protocol": "nla-ex", "ms": 4.6}),
        (replace(CONFIRM, selected=1), "negotiate.ok", {"protocol": "tls", "ms": 4.6}),
        (replace(CONFIRM, selected=4), "negotiate.ok", {"protocol": "rdstls", "ms": 4.6}),
        (replace(CONFIRM, selected=0x40), "negotiate.ok", {"protocol": "0x40", "ms": 4.6}),
        (replace(CONFIRM, selected=0), "negotiate.standard-security-only", {}),
        (replace(CONFIRM, selected=0, negotiates=False), "negotiate.standard-security-only", {}),
        (
            said(Answer.FAILURE, failure=FailureCode.SSL_NOT_ALLOWED_BY_SERVER),
            "negotiate.standard-security-only",
            {"code": 2},
        ),
        (
            said(Answer.FAILURE, failure=FailureCode.SSL_CERT_NOT_ON_SERVER),
            "negotiate.no-certificate",
            {"code": 3},
        ),
        (
            said(Answer.FAILURE, failure=FailureCode.SSL_WITH_USER_AUTH_REQUIRED_BY_SERVER),
            "negotiate.client-certificate-required",
            {"code": 6},
        ),
        (said(Answer.FAILURE, failure=FailureCode.INCONSISTENT_FLAGS), "negotiate.refused", {"code": 4}),
        (said(Answer.FAILURE, failure=0xDEADBEEF), "negotiate.refused", {"code": 0xDEADBEEF}),
        (said(Answer.DISCONNECT, reason=3), "negotiate.rejected", {"reason_code": 3}),
        (said(Answer.NOT_RDP, kind="http"), "negotiate.not-rdp", {"kind": "http"}),
        (ended(How.FIN), "negotiate.hung-up", {"how": "fin", "ms": 13}),
        (ended(How.RST), "negotiate.hung-up", {"how": "rst", "ms": 13}),
        (ended(How.SILENCE), "negotiate.silent", {"ms": 13}),
        (ended(How.INCOMPLETE, 7), "negotiate.incomplete", {"received": 7, "ms": 13}),
        (ended(How.GARBAGE, 7), "negotiate.garbled", {"ms": 13}),
        (ended(How.FLOOD, 7), "negotiate.garbled", {"ms": 13}),
    ],
)
def test_judge(seen: NegotiationFact, finding: str, args: dict[str, Arg]) -> None:
    (found,) = judge(NegotiateFact(host="pc", port=3389, negotiation=seen))
    assert found.id == finding
    assert found.state is (State.OK if finding == "negotiate.ok" else State.PROBLEM)
    assert found.args == {"host": "pc", "port": 3389, **args}


@pytest.mark.parametrize("how", [How.SILENCE, How.FIN, How.RST])
def test_a_port_that_waits_for_tls_first(how: How) -> None:
    (found,) = judge(NegotiateFact(host="pc", port=443, negotiation=ended(how), speaks_tls=True))
    assert (found.id, found.args["kind"]) == ("negotiate.not-rdp", "tls")


@pytest.mark.parametrize("outcome", [Connect.REFUSED, Connect.SILENT])
def test_a_port_that_closed_in_the_meantime(outcome: Connect) -> None:
    refused = Attempt(address="192.0.2.5", port=3389, outcome=outcome, took_ms=1.0)
    (found,) = judge(NegotiateFact(host="pc", port=3389, negotiation=None, refused=refused))
    assert (found.id, found.state) == ("negotiate.connect-failed", State.PROBLEM)
    assert found.args["outcome"] == outcome


# --- the probe


def check(fault: str | Script) -> tuple[Row, list[tuple[Step, ...]]]:
    with serving(fault) as server:
        row = run_one(FakeMachine(), names.CHECK, reach.CHECK, CHECK, host="127.0.0.1", port=server.port)
    return row, server.connections


def test_a_good_answer_is_asked_for_once() -> None:
    row, connections = check("healthy")
    assert (row.findings[0].id, row.tries) == ("negotiate.ok", 1)
    # One to see whether anyone is there, one that goes all the way.
    assert len(connections) == 2


def test_a_bad_answer_is_asked_for_twice() -> None:
    row, connections = check("server-no-certificate")
    assert (row.findings[0].id, row.tries) == ("negotiate.no-certificate", 2)
    assert fact(row).negotiation.correlation is None
    # The second time, a hello of TLS goes along on a connection of its own.
    assert len(connections) == 4


@pytest.mark.parametrize(
    ("script", "finding"),
    [
        (FAULTS["not-rdp-tls"], "negotiate.not-rdp"),
        (FAULTS["server-hangs-up-early"], "negotiate.hung-up"),
        (FAULTS["server-hangs-up-early-reset"], "negotiate.hung-up"),
        (FAULTS["server-silent"], "negotiate.silent"),
    ],
)
def test_who_says_nothing_is_greeted_with_tls(
    monkeypatch: pytest.MonkeyPatch, script: Script, finding: str
) -> None:
    hurry(monkeypatch)
    row, _ = check(script)
    assert row.findings[0].id == finding
    assert fact(row).speaks_tls is (finding == "negotiate.not-rdp")
