import asyncio
from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from core.demo import negotiation
from core.demo.faults import FAULTS, TLS_1_0, TLS_1_2, TLS_1_3, Script, Step, Tls
from core.demo.server import ScriptedServer
from core.probes import tls_versions
from core.probes.dialer import BudgetSpent
from core.probes.ending import How
from core.probes.tls_versions import UP_TO_TLS12, Heard, HelloFact, ask, ask_all, speaks_tls_first
from core.wire import certificate
from core.wire.tls_hello import Version
from core.wire.x224 import Protocol
from tests.support.loopback import (
    MOST_BYTES,
    Crowd,
    Peer,
    Talk,
    context,
    floods,
    hurry,
    listening,
    run,
    says,
    trickles,
)

HEALTHY = FAULTS["healthy"]
CONFIRM = negotiation.confirm(Protocol.SSL)
ALERT_40 = bytes((21, 3, 3, 0, 2, 2, 40))
# A TLS 1.2 ServerHello that chooses ECDHE-RSA-AES128-GCM-SHA256, and no more.
SERVER_HELLO = bytes.fromhex("16030300 2a 02000026 0303") + bytes(32) + bytes.fromhex("00 c02f 00")


def hello(
    script: Script, version: Version, *, host: str = "127.0.0.1", **form: Sequence[int] | int
) -> HelloFact:
    async def go() -> HelloFact:
        async with ScriptedServer(script, host=host) as server, context(server.port, host=host) as asking:
            return await ask(asking, host, version, **form)  # type: ignore[arg-type]

    return run(go())


def hello_to(talk: Talk, version: Version = Version.TLS12) -> HelloFact:
    async def go() -> HelloFact:
        async with listening(talk) as server, context(server.port) as asking:
            return await ask(asking, "127.0.0.1", version)

    return run(go())


def after_confirm(then: Talk) -> Talk:
    """A server that agrees to TLS and then does as `then` says."""
    return says(CONFIRM, then)


# --- versions


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("version", [Version.TLS10, Version.TLS12, Version.TLS13])
def test_a_server_of_one_version_answers_that_one(version: Version, host: str) -> None:
    script = replace(HEALTHY, tls=Tls(oldest=version, newest=version, ciphers="ALL:@SECLEVEL=0"))
    fact = hello(script, version, host=host)
    assert (fact.asked, fact.version, fact.heard, fact.alert) == (version, version, Heard.ANSWERED, None)
    assert fact.suite is not None
    assert fact.suite_name is not None
    assert fact.suite_name.startswith("TLS_")
    assert fact.ending is None


@pytest.mark.parametrize(
    ("asked", "oldest", "newest"),
    [
        (Version.TLS13, TLS_1_2, TLS_1_2),
        (Version.TLS12, TLS_1_3, TLS_1_3),
        (Version.TLS10, TLS_1_2, TLS_1_3),
        (Version.SSL3, TLS_1_2, TLS_1_3),
    ],
)
def test_a_server_without_that_version_sends_an_alert(asked: Version, oldest: int, newest: int) -> None:
    fact = hello(replace(HEALTHY, tls=Tls(oldest=oldest, newest=newest)), asked)
    assert (fact.asked, fact.heard, fact.suite, fact.certificate) == (asked, Heard.ALERT, None, b"")
    assert fact.alert in {40, 70}
    assert fact.flight == 7


def test_a_lower_version_than_asked_is_told() -> None:
    old = replace(HEALTHY, tls=Tls(oldest=TLS_1_0, newest=TLS_1_0, ciphers="ALL:@SECLEVEL=0"))
    fact = hello(old, Version.TLS12)
    assert (fact.asked, fact.version, fact.heard) == (Version.TLS12, Version.TLS10, Heard.ANSWERED)


def test_the_certificate_travels_in_the_clear_below_tls_13() -> None:
    old = hello(HEALTHY, Version.TLS12)
    new = hello(HEALTHY, Version.TLS13)
    assert certificate.parse(old.certificate).common_name == "PC-ANNA"
    assert new.certificate == b""
    # A HelloRetryRequest is small, the flight with the certificate is not.
    assert new.flight < 200 < len(old.certificate) < old.flight


def test_the_group_and_the_suite() -> None:
    fact = hello(replace(HEALTHY, tls=Tls(newest=TLS_1_2)), Version.TLS12, suites=(0xC02B,))
    assert (fact.suite, fact.suite_name) == (0xC02B, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256")
    assert fact.group is not None


def test_a_suite_that_nobody_may_choose_brings_an_alert() -> None:
    assert hello(HEALTHY, Version.TLS12, suites=(0x0000,)).alert == 40


def test_a_padded_hello() -> None:
    async def agree(peer: Peer) -> None:
        await peer.hear()
        await peer.say(CONFIRM)
        before = len(peer.received)
        while len(peer.received) - before < 2800:
            await peer.hear()
        await peer.say(ALERT_40)
        await peer.finish()

    async def go() -> HelloFact:
        async with listening(agree) as server, context(server.port) as asking:
            return await ask(asking, "127.0.0.1", Version.TLS12, pad_to=2800)

    assert run(go()).alert == 40


# --- no TLS to ask about


@pytest.mark.parametrize(
    "fault", ["server-security-layer-old", "server-no-certificate", "not-rdp", "port-closed"]
)
def test_without_x224_nothing_is_asked(fault: str) -> None:
    fact = hello(FAULTS[fault], Version.TLS12)
    assert (fact.heard, fact.version, fact.flight) == (Heard.NO_X224, None, 0)


def test_the_end_of_x224_is_kept() -> None:
    fact = hello_to(says(b""))
    assert (fact.heard, fact.ending.how if fact.ending else None) == (Heard.NO_X224, How.FIN)


# --- how it ends


@pytest.mark.parametrize(
    ("then", "heard", "how"),
    [
        (says(b""), Heard.ENDED, How.FIN),
        (says(b"", Peer.reset), Heard.ENDED, How.RST),
        (says(SERVER_HELLO[:20]), Heard.ENDED, How.FIN),
        (says(b"\x16\x03\x03\xff\xff" + bytes(100), Peer.silence), Heard.ENDED, How.GARBAGE),
        (says(bytes.fromhex("0300000902f0802180"), Peer.silence), Heard.ENDED, How.PLAINTEXT),
        (says(b"HTTP/1.1 400 Bad Request\r\n\r\n", Peer.silence), Heard.ENDED, How.PLAINTEXT),
        (says(ALERT_40, Peer.silence), Heard.ALERT, None),
        # Who has said which suite it takes has answered, whatever comes of it.
        (says(SERVER_HELLO), Heard.ANSWERED, How.FIN),
        (says(SERVER_HELLO + ALERT_40, Peer.silence), Heard.ANSWERED, None),
    ],
)
def test_endings(then: Talk, heard: Heard, how: How | None) -> None:
    fact = hello_to(after_confirm(then))
    assert (fact.heard, fact.ending.how if fact.ending else None) == (heard, how)
    if fact.ending is not None:
        assert (fact.ending.step, fact.ending.received) == ("tls", fact.flight)


@pytest.mark.parametrize(
    ("then", "heard", "how"),
    [
        (says(b"", Peer.silence), Heard.ENDED, How.SILENCE),
        (says(SERVER_HELLO, Peer.silence), Heard.ANSWERED, How.INCOMPLETE),
        (says(b"", trickles(b"\x16\x03\x03\x40\x00" + bytes(1000))), Heard.ENDED, How.INCOMPLETE),
    ],
)
def test_waiting_has_an_end(monkeypatch: pytest.MonkeyPatch, then: Talk, heard: Heard, how: How) -> None:
    hurry(monkeypatch, 0.1)
    fact = hello_to(after_confirm(then))
    assert fact.ending is not None
    assert (fact.heard, fact.ending.how) == (heard, how)
    assert fact.ending.after_ms >= 1000 * tls_versions.WAIT - 1


@pytest.mark.parametrize(
    "record", [b"\x16\x03\x03\x40\x00" + b"\x02\xff\xff\xff" + bytes(0x3FFC), b"\x15\x03\x03\x00\x02\x01\x70"]
)
def test_a_flood_is_not_swallowed(record: bytes) -> None:
    fact = hello_to(after_confirm(says(b"", floods(record * (65_536 // len(record))))))
    assert fact.heard in {Heard.ENDED, Heard.ALERT}
    assert fact.flight <= MOST_BYTES


# --- several


def test_all_versions_in_their_order() -> None:
    async def go() -> tuple[HelloFact, ...]:
        async with ScriptedServer(HEALTHY) as server:
            async with context(server.port) as asking:
                facts = await ask_all(asking, "127.0.0.1", UP_TO_TLS12)
            assert [steps[:3] for steps in server.connections] == [
                (Step.ACCEPTED, Step.REQUEST, Step.HELLO)
            ] * len(UP_TO_TLS12)
        return facts

    assert [(fact.asked, fact.heard) for fact in run(go())] == [
        (Version.TLS12, Heard.ANSWERED),
        (Version.TLS11, Heard.ALERT),
        (Version.TLS10, Heard.ALERT),
        (Version.SSL3, Heard.ALERT),
    ]


def test_at_most_three_at_once() -> None:
    async def go() -> tuple[int, int]:
        crowd = Crowd(Peer.finish)
        async with listening(crowd) as server:
            async with context(server.port) as asking, asyncio.TaskGroup() as group:
                for _ in range(2):
                    group.create_task(ask_all(asking, "127.0.0.1", UP_TO_TLS12), name="ask")
            return crowd.most, len(server.peers)

    assert run(go()) == (3, 2 * len(UP_TO_TLS12))


def test_a_spent_budget_is_told_to_the_one_who_asks() -> None:
    async def go() -> None:
        async with ScriptedServer(HEALTHY) as server, context(server.port, per_run=2) as asking:
            with pytest.RaisesGroup(BudgetSpent, BudgetSpent):
                await ask_all(asking, "127.0.0.1", UP_TO_TLS12)

    run(go())


@pytest.mark.parametrize(
    ("talk", "speaks"),
    [
        (says(ALERT_40, Peer.silence), True),
        (says(SERVER_HELLO), True),
        (says(CONFIRM), False),
        (says(b""), False),
        (says(b"SSH-2.0-x\r\n", Peer.silence, first=True), False),
    ],
)
def test_a_port_that_waits_for_tls_first(talk: Talk, speaks: bool) -> None:
    async def go() -> bool:
        async with listening(talk) as server, context(server.port) as asking:
            return await speaks_tls_first(asking, "127.0.0.1")

    assert run(go()) is speaks


def test_a_closed_port_does_not_speak_tls() -> None:
    async def go() -> bool:
        async with ScriptedServer(FAULTS["port-closed"]) as server, context(server.port) as asking:
            return await speaks_tls_first(asking, "127.0.0.1")

    assert run(go()) is False
