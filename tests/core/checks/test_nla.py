import asyncio

import pytest
from msgspec.structs import replace

from core import run as product
from core.checks import names, negotiate, reach
from core.checks.nla import CHECK, NlaCheckFact, judge
from core.demo.faults import FAULTS, Script, Step
from core.model import Arg, Row, State, Target
from core.probes.credssp_step import NlaFact
from core.probes.ending import Ending, How
from core.probes.ending import Step as At
from core.wire import rdp_file
from core.wire.x224 import FailureCode, Protocol
from tests.support.fakes import FakeMachine
from tests.support.loopback import hurry
from tests.support.running import fact, reason, run_one
from tests.support.scripted import serving

GOOD = NlaFact(took_ms=4.56, version=6, netbios_computer="PC-ANNA", dns_computer="pc-anna.example")


def seen(
    challenge: NlaFact | None, *, chosen: bool = True, required: bool | None = True, forbidden: bool = False
) -> NlaCheckFact:
    return NlaCheckFact(
        host="pc", chosen=chosen, challenge=challenge, required=required, forbidden_by_file=forbidden
    )


def ended(how: How) -> NlaFact:
    return NlaFact(took_ms=1.0, ending=Ending(step=At.CREDSSP, how=how, after_ms=12.6))


@pytest.mark.parametrize(
    ("what", "findings", "state", "args"),
    [
        (
            seen(GOOD),
            ["nla.ok"],
            State.OK,
            {"host": "pc", "computer": "pc-anna.example", "required": True, "ms": 4.6},
        ),
        (
            seen(replace(GOOD, dns_computer=None), required=False),
            ["nla.ok"],
            State.OK,
            {"host": "pc", "computer": "PC-ANNA", "required": False, "ms": 4.6},
        ),
        (
            seen(replace(GOOD, dns_computer=None, netbios_computer=None), required=None),
            ["nla.ok"],
            State.OK,
            {"host": "pc", "computer": "", "required": None, "ms": 4.6},
        ),
        (seen(replace(GOOD, version=5)), ["nla.ok"], State.OK, None),
        (seen(replace(GOOD, version=4)), ["nla.ok", "nla.unpatched"], State.OK, None),
        (seen(replace(GOOD, version=2)), ["nla.ok", "nla.unpatched"], State.OK, None),
        (seen(replace(GOOD, version=None)), ["nla.ok"], State.OK, None),
        (seen(None, chosen=False, required=False), ["nla.not-offered"], State.INFO, {"host": "pc"}),
        (
            seen(GOOD, forbidden=True),
            ["nla.required-but-forbidden"],
            State.PROBLEM,
            {"host": "pc"},
        ),
        # A file that forbids what is not a must does no harm, nor does one where that could not be told.
        (seen(GOOD, required=False, forbidden=True), ["nla.ok"], State.OK, None),
        (seen(GOOD, required=None, forbidden=True), ["nla.ok"], State.OK, None),
        (
            seen(NlaFact(took_ms=1.0, version=6, error_code=0xC0000418)),
            ["nla.refused"],
            State.PROBLEM,
            {"host": "pc", "code": "0xc0000418"},
        ),
        (
            seen(NlaFact(took_ms=1.0, version=6, error_code=5)),
            ["nla.refused"],
            State.PROBLEM,
            {"host": "pc", "code": "0x00000005"},
        ),
        (seen(ended(How.FIN)), ["nla.hung-up"], State.PROBLEM, {"host": "pc", "how": "fin", "ms": 13}),
        (seen(ended(How.RST)), ["nla.hung-up"], State.PROBLEM, {"host": "pc", "how": "rst", "ms": 13}),
        (seen(ended(How.SILENCE)), ["nla.silent"], State.PROBLEM, {"host": "pc", "ms": 13}),
        (seen(ended(How.INCOMPLETE)), ["nla.silent"], State.PROBLEM, {"host": "pc", "ms": 13}),
        (seen(ended(How.GARBAGE)), ["nla.garbled"], State.UNKNOWN, {"host": "pc", "ms": 13}),
        (seen(ended(How.FLOOD)), ["nla.garbled"], State.UNKNOWN, {"host": "pc", "ms": 13}),
    ],
)
def test_judge(what: NlaCheckFact, findings: list[str], state: State, args: dict[str, Arg] | None) -> None:
    found = judge(what)
    assert [finding.id for finding in found] == findings
    assert found[0].state is state
    if args is not None:
        assert found[0].args == args


def test_a_server_without_the_fix_of_2018_is_a_warning() -> None:
    _, warning = judge(seen(replace(GOOD, version=3)))
    assert (warning.state, warning.args) == (State.WARN, {"version": 3})


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


def test_a_server_that_insists() -> None:
    row, connections = check("healthy")
    assert (row.findings[0].id, row.tries) == ("nla.ok", 1)
    assert (fact(row).chosen, fact(row).required, fact(row).forbidden_by_file) == (True, True, False)
    # reach, the conversation, and the question whether TLS alone will do
    assert len(connections) == 3


def test_a_server_that_does_not_insist() -> None:
    both = replace(FAULTS["healthy"], offers=Protocol.SSL | Protocol.HYBRID | Protocol.HYBRID_EX)
    row, _ = check(both)
    assert (row.findings[0].id, fact(row).required) == ("nla.ok", False)


def test_another_refusal_is_not_that() -> None:
    row, _ = check(replace(FAULTS["healthy"], refusal=FailureCode.INCONSISTENT_FLAGS))
    assert (row.findings[0].id, fact(row).required) == ("nla.ok", False)


def test_a_server_without_nla(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch, 0.3)
    row, connections = check("healthy-tls")
    assert (row.findings[0].id, fact(row).challenge, fact(row).required) == ("nla.not-offered", None, False)
    assert len(connections) == 2


@pytest.mark.parametrize(
    ("fault", "finding"),
    [
        ("nla-broken", "nla.hung-up"),
        ("nla-broken-blocked", "nla.refused"),
        ("nla-broken-silent", "nla.silent"),
        ("server-garbage-nla", "nla.garbled"),
    ],
)
def test_a_fault_is_tried_again_and_no_log_on_with_it(
    monkeypatch: pytest.MonkeyPatch, fault: str, finding: str
) -> None:
    hurry(monkeypatch, 0.3)
    row, connections = check(fault)
    assert row.findings[0].id == finding
    assert row.tries == (1 if finding == "nla.garbled" else 2)
    assert all(Step.AUTHENTICATE not in steps for steps in connections)


def test_tls_that_ended_earlier_is_not_blamed_on_nla() -> None:
    row, _ = check("server-key-unusable")
    assert (row.findings[0].state, reason(row)) == (State.SKIPPED, "conversation-ended-earlier")


@pytest.mark.parametrize(
    ("line", "finding"),
    [
        ("enablecredsspsupport:i:0", "nla.required-but-forbidden"),
        ("enablecredsspsupport:i:1", "nla.ok"),
        ("audiomode:i:0", "nla.ok"),
    ],
)
def test_the_file_of_the_user_counts(line: str, finding: str) -> None:
    file = rdp_file.parse(f"full address:s:127.0.0.1\r\n{line}\r\n".encode())
    with serving("nla-required") as server:
        target = Target(typed="x", host="127.0.0.1", port=server.port, rdp=file)
        options = product.Options(only=frozenset({"nla"}))
        done = asyncio.run(product.check(FakeMachine(), target, lambda _: None, options=options))
    assert finding in [found.id for found in done.findings]
