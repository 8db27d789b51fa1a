from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from core.demo.faults import FAULTS, Script, Step, Stop, Then, refusal
from core.demo.server import ScriptedServer
from core.probes import credssp_step, x224_step
from core.probes import ending as endings
from core.probes.credssp_step import NlaFact, challenge
from core.probes.ending import How
from core.probes.tls_step import TlsStream
from core.wire import credssp, der
from core.wire.ntlm import Challenge, Flags, encode_challenge
from tests.support.fakes import FakeClock
from tests.support.loopback import MOST_BYTES, connected, hurry, run

HEALTHY = FAULTS["healthy"]
NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
MEMBER = Challenge(
    target_name="CORP",
    flags=Flags(0x62818235),  # TARGET_TYPE_DOMAIN
    netbios_computer="SRV-01",
    netbios_domain="CORP",
    dns_computer="srv-01.corp.example",
    dns_domain="corp.example",
    dns_tree="corp.example",
    version=(10, 0, 26100),
    timestamp=NOW - timedelta(seconds=90),
)


def ask(script: Script, clock: FakeClock | None = None) -> tuple[NlaFact, list[tuple[Step, ...]]]:
    async def go() -> tuple[NlaFact, list[tuple[Step, ...]]]:
        async with ScriptedServer(script) as server, connected(server.port) as connection:
            await x224_step.negotiate(connection)
            stream = TlsStream(connection, None)
            assert (await stream.handshake()).ending is None
            fact = await challenge(stream, clock or FakeClock(NOW))
        return fact, server.connections

    return run(go())


def says(say: bytes, then: Then = Then.SILENCE, pause_s: float = 0.0) -> Script:
    """A server with this answer to the first TSRequest."""
    return replace(HEALTHY, stop=Stop(at=Step.TOKEN, say=say, then=then, pause_s=pause_s))


def answer(said: Challenge, version: int = 6) -> bytes:
    return credssp.encode_negotiate(encode_challenge(said), version)


def test_what_a_workgroup_server_says_of_itself() -> None:
    clock = FakeClock(datetime.now(UTC))
    fact, _ = ask(HEALTHY, clock)
    assert fact.ending is None
    assert (fact.version, fact.error_code) == (6, None)
    assert (fact.netbios_computer, fact.dns_computer, fact.computer) == ("PC-ANNA", "PC-ANNA", "PC-ANNA")
    assert (fact.domain_member, fact.build) == (False, (10, 0, 20348))
    assert fact.skew_s is not None
    assert abs(fact.skew_s) < 5


def test_what_a_domain_server_says_of_itself() -> None:
    fact, _ = ask(says(answer(MEMBER)))
    assert (fact.netbios_computer, fact.netbios_domain) == ("SRV-01", "CORP")
    assert (fact.dns_computer, fact.dns_domain) == ("srv-01.corp.example", "corp.example")
    assert (fact.computer, fact.domain_member) == ("srv-01.corp.example", True)
    assert (fact.build, fact.server_time, fact.skew_s) == ((10, 0, 26100), MEMBER.timestamp, -90.0)


def test_a_server_that_says_little_of_itself() -> None:
    little = Challenge(target_name="", flags=Flags(0), netbios_computer="OLD")
    fact, _ = ask(says(answer(little, version=2)))
    assert fact.ending is None
    assert (fact.version, fact.computer, fact.build) == (2, "OLD", None)
    assert (fact.server_time, fact.skew_s) == (None, None)


def test_the_skew_is_measured_against_our_clock() -> None:
    for error in (timedelta(minutes=7), timedelta(days=-400)):
        fact, _ = ask(replace(HEALTHY, clock_error=error), FakeClock(datetime.now(UTC)))
        assert fact.skew_s is not None
        assert abs(fact.skew_s - error.total_seconds()) < 5


@pytest.mark.parametrize("status", [0xC0000418, 0xC000006D, 0x80090302, 0x00000005])
def test_an_error_in_place_of_a_challenge(status: int) -> None:
    fact, _ = ask(says(refusal(status), Then.FIN))
    assert (fact.error_code, fact.ending, fact.version, fact.computer) == (status, None, 6, None)


def test_no_log_on_is_ever_tried() -> None:
    for script in (HEALTHY, says(answer(MEMBER)), says(refusal(0xC0000418))):
        _, (steps,) = ask(script)
        assert Step.TOKEN in steps
        assert Step.AUTHENTICATE not in steps


WITHOUT_TOKEN = der.encode(der.SEQUENCE, der.encode(der.explicit(0), der.encode_integer(6)))


@pytest.mark.parametrize(
    ("script", "how", "received"),
    [
        (says(b"", Then.FIN), How.FIN, 0),
        (says(b"", Then.RST), How.RST, 0),
        (says(answer(MEMBER)[:40], Then.FIN), How.FIN, 40),
        (says(b"\x03\x00\x00\x09\x02\xf0\x80\x21\x80"), How.GARBAGE, 9),
        (says(b"\x30\x84\x7f\xff\xff\xff"), How.GARBAGE, 6),
        (says(WITHOUT_TOKEN), How.GARBAGE, len(WITHOUT_TOKEN)),
        (says(credssp.encode_negotiate(b"NTLMSSP\0" + bytes(8))), How.GARBAGE, None),
        (FAULTS["server-garbage-nla"], How.GARBAGE, None),
    ],
)
def test_endings(script: Script, how: How, received: int | None) -> None:
    fact, _ = ask(script)
    assert (fact.computer, fact.error_code) == (None, None)
    ending = fact.ending
    assert ending is not None
    assert (ending.step, ending.how) == (endings.Step.CREDSSP, how)
    assert received in {None, ending.received}
    assert bool(ending.detail) is (how is How.GARBAGE)


@pytest.mark.parametrize(
    ("script", "how"),
    [
        (says(b""), How.SILENCE),
        (says(answer(MEMBER)[:-1]), How.INCOMPLETE),
        (says(answer(MEMBER), pause_s=0.05), How.INCOMPLETE),
    ],
)
def test_waiting_has_an_end(monkeypatch: pytest.MonkeyPatch, script: Script, how: How) -> None:
    hurry(monkeypatch, 0.25)
    fact, _ = ask(script)
    assert fact.ending is not None
    assert fact.ending.how is how
    assert fact.ending.after_ms >= 1000 * credssp_step.WAIT - 1


def test_a_flood_is_not_swallowed() -> None:
    # It promises 60,000 bytes that never make sense.
    fact, _ = ask(says(b"\x30\x82\xea\x60" + bytes(60_000), Then.FLOOD))
    assert fact.ending is not None
    assert fact.ending.how is How.GARBAGE
    assert fact.ending.received <= MOST_BYTES
