import asyncio
import contextlib
import ssl

import pytest
from msgspec.structs import replace

from core.demo import certificates
from core.demo.faults import FAULTS, TLS_1_0, TLS_1_2, Certificate, Script, Step, Stop, Then, Tls
from core.demo.server import ScriptedServer
from core.demo.stream import Stream
from core.probes import tls_step, x224_step
from core.probes.dialer import Hangup, HungUp
from core.probes.ending import Ending, How
from core.probes.tls_step import TlsFact, TlsStream
from core.wire import certificate
from tests.support.loopback import (
    MOST_BYTES,
    Peer,
    Talk,
    connected,
    floods,
    hurry,
    listening,
    run,
    says,
    trickles,
)

HEALTHY = FAULTS["healthy"]
OLD = "ALL:@SECLEVEL=0"


def shake(script: Script, host: str = "127.0.0.1", server_name: str | None = None) -> TlsFact:
    """TLS after X.224, as on a real server."""

    async def go() -> TlsFact:
        async with ScriptedServer(script, host=host) as server, connected(server.port, host) as connection:
            await x224_step.negotiate(connection)
            return await TlsStream(connection, server_name).handshake()

    return run(go())


def hear(talk: Talk) -> TlsFact:
    """TLS at once, with a server that is none."""

    async def go() -> TlsFact:
        async with listening(talk) as server, connected(server.port) as connection:
            return await TlsStream(connection, None).handshake()

    return run(go())


def ending(fact: TlsFact) -> Ending:
    assert fact.ending is not None
    assert (fact.version, fact.suite, fact.certificate) == (None, None, b"")
    assert fact.flight == fact.ending.received
    return fact.ending


# --- the handshake


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize(
    ("tls", "version", "suite"),
    [
        (Tls(), "TLSv1.3", "TLS_AES_256_GCM_SHA384"),
        (
            Tls(newest=TLS_1_2, ciphers="ECDHE-ECDSA-AES128-GCM-SHA256"),
            "TLSv1.2",
            "ECDHE-ECDSA-AES128-GCM-SHA256",
        ),
        (Tls(oldest=TLS_1_0, newest=TLS_1_0, ciphers=OLD), "TLSv1", None),
        (Tls(newest=TLS_1_2, ciphers="ECDHE-ECDSA-NULL-SHA:@SECLEVEL=0"), "TLSv1.2", "ECDHE-ECDSA-NULL-SHA"),
    ],
)
def test_whatever_the_server_speaks(tls: Tls, version: str, suite: str | None, host: str) -> None:
    fact = shake(replace(HEALTHY, tls=tls), host)
    assert (fact.ending, fact.version) == (None, version)
    assert suite in {None, fact.suite}
    assert certificate.parse(fact.certificate).common_name == "PC-ANNA"
    assert 300 < fact.flight < 3000


@pytest.mark.parametrize("fault", ["server-certificate-expired", "server-certificate-weak"])
def test_certificates_that_a_client_would_not_take(fault: str) -> None:
    fact = shake(FAULTS[fault])
    assert fact.ending is None
    assert fact.certificate


# Everything that can be typed as a name, and some that cannot.
NAMES = ("pc-anna", "pc_anna", "-pc-", "pc.", "a..b", ".a", "", "x" * 64, "y" * 253, "xn--80ak6aa92e", "пк")


@pytest.mark.parametrize("name", NAMES)
def test_names_that_are_no_names_for_tls_are_no_obstacle(name: str) -> None:
    assert shake(HEALTHY, server_name=name).ending is None


@pytest.mark.parametrize(("name", "sent"), [("pc-anna.example", True), ("10.0.0.5", False)])
def test_the_name_goes_to_the_server(name: str, sent: bool) -> None:
    async def go() -> bytes:
        async with listening(says(b"")) as server:
            async with connected(server.port) as connection:
                await TlsStream(connection, name).handshake()
            return (await server.ended.get()).received

    hello = run(go())
    assert hello.startswith(b"\x16\x03")
    assert (name.encode() in hello) is sent


# --- how it ends


@pytest.mark.parametrize(
    ("talk", "how", "received"),
    [
        (says(b""), How.FIN, 0),
        (says(b"", Peer.reset), How.RST, 0),
        (says(b"\x16\x03\x03"), How.FIN, 3),
        (says(bytes.fromhex("0300000902f0802180"), Peer.silence), How.PLAINTEXT, 9),
        (says(b"HTTP/1.1 400 Bad Request\r\n\r\n", Peer.silence), How.PLAINTEXT, 28),
        (says(b"\x16\x03\x03\xff\xff" + bytes(range(256)), Peer.silence), How.GARBAGE, 261),
        (says(b"\x17\x03\x03\x00\x05hello", Peer.silence), How.GARBAGE, 10),
    ],
)
def test_endings(talk: Talk, how: How, received: int) -> None:
    seen = ending(hear(talk))
    assert (seen.step, seen.how, seen.received, seen.alert) == ("tls", how, received, None)
    assert seen.sample == seen.sample[: 2 * received]
    assert bool(seen.sample) is bool(received)


@pytest.mark.parametrize("number", [40, 70, 71, 80, 112])
def test_an_alert_keeps_its_number(number: int) -> None:
    seen = ending(hear(says(bytes((21, 3, 3, 0, 2, 2, number)), Peer.silence)))
    assert (seen.how, seen.alert, seen.received) == (How.ALERT, number, 7)


def test_a_server_of_another_mind_sends_an_alert() -> None:
    only_what_nobody_has = Tls(newest=TLS_1_2, ciphers="PSK-AES128-CBC-SHA:@SECLEVEL=0")
    seen = ending(shake(replace(HEALTHY, tls=only_what_nobody_has)))
    assert (seen.how, seen.alert) == (How.ALERT, 40)


@pytest.mark.parametrize(
    ("talk", "how"),
    [
        (says(b"", Peer.silence), How.SILENCE),
        (says(b"\x16\x03\x03\x40\x00", Peer.silence), How.INCOMPLETE),
        (trickles(b"\x16\x03\x03\x40\x00" + bytes(1000)), How.INCOMPLETE),
    ],
)
def test_waiting_has_an_end(monkeypatch: pytest.MonkeyPatch, talk: Talk, how: How) -> None:
    hurry(monkeypatch, 0.1)
    seen = ending(hear(talk))
    assert seen.how is how
    assert seen.after_ms >= 1000 * tls_step.WAIT - 1


@pytest.mark.parametrize(
    "record",
    [
        b"\x16\x03\x03\x40\x00" + b"\x02\xff\xff\xff" + bytes(0x4000 - 4),
        b"\x14\x03\x03\x00\x01\x01",
        b"\x15\x03\x03\x00\x02\x01\x70",
        b"\x16\x03\x03\x00\x00",
    ],
)
def test_a_flood_is_cut_off(record: bytes) -> None:
    seen = ending(hear(floods(record * (65_536 // len(record)))))
    assert seen.how in {How.FLOOD, How.GARBAGE, How.ALERT}
    assert seen.received <= MOST_BYTES


# --- the stream after it


class Secured:
    """A talk over TLS."""

    def __init__(self, say: bytes, then: str) -> None:
        self._say = say
        self._then = then
        self._context = certificates.server_context(Tls(), Certificate())

    async def __call__(self, peer: Peer) -> None:
        stream = Stream(peer.sock)
        await stream.secure(self._context)
        await stream.write(self._say)
        match self._then:
            case "fin":
                await peer.finish()
            case "farewell":
                assert stream._tls is not None
                with contextlib.suppress(ssl.SSLWantReadError):  # ours does not come
                    stream._tls.unwrap()
                await stream._flush()
                await peer.silence()
            case "rst":
                await peer.reset()
            case "plain":
                await peer.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                await peer.silence()
            case _:
                await peer.silence()


async def talk_on(talk: Talk, wait: float = 5.0) -> tuple[bytes, Hangup]:
    async with listening(talk) as server, connected(server.port) as connection:
        stream = TlsStream(connection, None)
        assert (await stream.handshake()).ending is None
        until = asyncio.get_running_loop().time() + wait
        heard = b""
        try:
            while True:
                heard += await stream.receive(until=until)
        except HungUp as hung:
            return heard, hung.how


@pytest.mark.parametrize(
    ("say", "then", "wait", "how"),
    [
        (b"hello", "fin", 5.0, Hangup.FIN),
        (b"hello", "farewell", 5.0, Hangup.FIN),
        (b"hello", "plain", 5.0, Hangup.RST),
        (b"hello", "silence", 0.2, Hangup.SILENCE),
        # What was not read before a reset is lost.
        (b"", "rst", 5.0, Hangup.RST),
    ],
)
def test_what_comes_over_tls_and_how_that_ends(say: bytes, then: str, wait: float, how: Hangup) -> None:
    assert run(talk_on(Secured(say, then), wait)) == (say, how)


def test_a_flood_over_tls_is_cut_off() -> None:
    flood = Stop(at=Step.SECURED, say=bytes(0x4000), then=Then.FLOOD)
    script = replace(HEALTHY, stop=flood)

    async def go() -> tuple[int, Hangup]:
        async with ScriptedServer(script) as server, connected(server.port) as connection:
            await x224_step.negotiate(connection)
            stream = TlsStream(connection, None)
            await stream.handshake()
            until = asyncio.get_running_loop().time() + 5
            heard = 0
            try:
                while True:
                    heard += len(await stream.receive(until=until))
            except HungUp as hung:
                return heard, hung.how

    heard, how = run(go())
    assert how is Hangup.FLOOD
    assert 500_000 < heard <= MOST_BYTES


def test_a_broken_stream_takes_no_more_words() -> None:
    async def go() -> Hangup:
        async with listening(Secured(b"", "plain")) as server, connected(server.port) as connection:
            stream = TlsStream(connection, None)
            await stream.handshake()
            until = asyncio.get_running_loop().time() + 5
            with pytest.raises(HungUp):
                await stream.receive(until=until)
            with pytest.raises(HungUp) as hung:
                await stream.send(b"hello", until=until)
            return hung.value.how

    assert run(go()) is Hangup.RST
