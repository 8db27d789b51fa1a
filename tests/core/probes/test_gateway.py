import asyncio
import contextlib
from collections.abc import Callable

import pytest

from core.demo import certificates
from core.demo.faults import FAULTS, Certificate, Tls
from core.demo.server import ScriptedServer
from core.demo.stream import Gone, Stream
from core.model import Gateway
from core.ports import ResolveFailure
from core.probes import gateway
from core.probes.dialer import Connect
from core.probes.ending import How, Step
from core.probes.gateway import GatewayFact
from core.wire import certificate
from core.wire.gateway import GatewayAnswer
from tests.support.fakes import FakeMachine, FakeNames
from tests.support.loopback import (
    MOST_BYTES,
    Peer,
    Talk,
    context,
    hurry,
    listening,
    run,
    says,
)

NAME = "gw.example"
NTLM = b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Negotiate\r\nWWW-Authenticate: NTLM\r\n\r\n"
TOKEN = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
MISSING = b"HTTP/1.1 404 Not Found\r\n\r\n"
PORTAL = b"HTTP/1.1 302 Found\r\nLocation: /login\r\n\r\n"

Answers = Callable[[bytes], bytes]


class Web:
    """A talk over TLS: one request in, one answer out, and then `then`. `requests` is what came."""

    def __init__(self, answers: Answers, then: Talk = Peer.silence, *, pause_s: float = 0.0) -> None:
        self._answers = answers
        self._then = then
        self._pause_s = pause_s
        self._context = certificates.server_context(Tls(), Certificate(name=NAME))
        self.requests: list[bytes] = []

    async def __call__(self, peer: Peer) -> None:
        stream = Stream(peer.sock)
        try:
            await stream.secure(self._context)
            request = b""
            while not request.endswith(b"\r\n\r\n"):
                request += await stream.read(1)
            self.requests.append(request)
            answer = self._answers(request)
            while self._pause_s:
                await stream.write(answer)
                await asyncio.sleep(self._pause_s)
            await stream.write(answer)
        except Gone:
            return
        await self._then(peer)


def look(talk: Talk, host: str = "127.0.0.1") -> GatewayFact:
    async def go() -> GatewayFact:
        async with listening(talk, host=host) as server:
            return await visit(server.port, host)

    return run(go())


async def visit(port: int, address: str = "127.0.0.1") -> GatewayFact:
    machine = FakeMachine(names=FakeNames({NAME: [address]}))
    there = Gateway(host=NAME, port=port)
    async with context(3389, host="pc-anna", machine=machine, gateway=there) as asking:
        return await gateway.look(asking, there)


# --- the way there


@pytest.mark.parametrize("failure", ResolveFailure)
def test_a_name_that_is_not_found(failure: ResolveFailure) -> None:
    async def go() -> GatewayFact:
        machine = FakeMachine(names=FakeNames({NAME: failure}))
        async with context(3389, machine=machine) as asking:
            return await gateway.look(asking, Gateway(host=NAME))

    assert run(go()) == GatewayFact(host=NAME, port=443, name_failure=failure)


def test_a_name_without_an_address() -> None:
    async def go() -> GatewayFact:
        machine = FakeMachine(names=FakeNames({NAME: []}))
        async with context(3389, machine=machine) as asking:
            return await gateway.look(asking, Gateway(host=NAME))

    assert run(go()).name_failure is ResolveFailure.NO_ADDRESS


def test_a_closed_port() -> None:
    async def go() -> GatewayFact:
        async with ScriptedServer(FAULTS["port-closed"]) as server:
            return await visit(server.port)

    fact = run(go())
    assert fact.connect is not None
    assert fact.connect.outcome is Connect.REFUSED
    assert (fact.addresses, fact.tls, fact.requests) == (("127.0.0.1",), None, ())


@pytest.mark.parametrize(
    ("talk", "how"),
    [
        (says(b""), How.FIN),
        (says(b"", Peer.reset), How.RST),
        (says(b"HTTP/1.1 400 Bad Request\r\n\r\n"), How.PLAINTEXT),
        (says(bytes((21, 3, 3, 0, 2, 2, 40))), How.ALERT),
    ],
)
def test_no_tls(talk: Talk, how: How) -> None:
    fact = look(talk)
    assert fact.connect is None
    assert fact.requests == ()
    assert fact.tls is not None
    assert fact.tls.ending is not None
    assert fact.tls.ending.how is how


# --- answers


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_gateway_of_today(host: str) -> None:
    web = Web(lambda request: NTLM if request.startswith(b"RDG_OUT_DATA") else MISSING)
    fact = look(web, host)
    assert (fact.addresses, fact.connect) == ((host,), None)
    assert fact.tls is not None
    assert certificate.parse(fact.tls.certificate).names == (NAME,)
    first, second = fact.requests
    assert (first.verb, first.answer, first.status) == ("RDG_OUT_DATA", GatewayAnswer.ALIVE_AUTH, 401)
    assert first.schemes == ("negotiate", "ntlm")
    assert (second.verb, second.answer, second.status) == ("RPC_OUT_DATA", GatewayAnswer.NOT_A_GATEWAY, 404)


def test_what_it_asks_names_nobody() -> None:
    web = Web(lambda _request: NTLM)
    look(web)
    newer, older = sorted(web.requests)
    assert newer.startswith(b"RDG_OUT_DATA /remoteDesktopGateway/ HTTP/1.1\r\n")
    assert older.startswith(b"RPC_OUT_DATA /rpc/rpcproxy.dll?localhost:3388 HTTP/1.1\r\n")
    for heard in web.requests:
        assert b"\r\nHost: gw.example:" in heard
        assert b"Authorization" not in heard


def test_a_gateway_of_2008() -> None:
    first, second = look(Web(lambda request: MISSING if request.startswith(b"RDG") else NTLM)).requests
    assert (first.verb, first.answer) == ("RDG_OUT_DATA", GatewayAnswer.NOT_A_GATEWAY)
    assert (second.verb, second.answer) == ("RPC_OUT_DATA", GatewayAnswer.ALIVE_AUTH)


@pytest.mark.parametrize(
    ("answer", "meaning"),
    [
        (TOKEN, GatewayAnswer.ALIVE_TOKEN),
        (PORTAL, GatewayAnswer.WEB_PORTAL),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", GatewayAnswer.STOPPED),
        (b"HTTP/1.1 418 I'm a teapot\r\n\r\n", GatewayAnswer.OTHER),
        (b"HTTP/1.1 405 Method Not Allowed\r\n\r\n", GatewayAnswer.VERB_BLOCKED),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + NTLM, GatewayAnswer.ALIVE_AUTH),
    ],
)
def test_answers(answer: bytes, meaning: GatewayAnswer) -> None:
    fact = look(Web(lambda _request: answer))
    assert [request.answer for request in fact.requests] == [meaning] * 2


# --- how it ends


@pytest.mark.parametrize(
    ("said", "then", "how", "received"),
    [
        (b"", Peer.finish, How.FIN, 0),
        (b"", Peer.reset, How.RST, 0),
        (b"HTTP/1.1 401 Unauth", Peer.finish, How.FIN, 19),
        (b"SSH-2.0-x\r\n", Peer.silence, How.GARBAGE, 11),
        (b"HTTP/3 401 No\r\n\r\n", Peer.silence, How.GARBAGE, 17),
        (b"HTTP/1.1 401 No\r\nX: " + b"x" * 20_000, Peer.silence, How.GARBAGE, None),
    ],
)
def test_endings(said: bytes, then: Talk, how: How, received: int | None) -> None:
    fact = look(Web(lambda _request: said, then))
    assert [request.verb for request in fact.requests] == ["RDG_OUT_DATA", "RPC_OUT_DATA"]
    for request in fact.requests:
        assert (request.answer, request.status, request.schemes) == (None, None, ())
        assert request.ending is not None
        assert (request.ending.step, request.ending.how) == (Step.HTTP, how)
        assert received in {None, request.ending.received}


@pytest.mark.parametrize(
    ("web", "how"),
    [
        (Web(lambda _request: b""), How.SILENCE),
        (Web(lambda _request: b"HTTP/1.1 401 No\r\n"), How.INCOMPLETE),
        (Web(lambda _request: b"HTTP/1.1 100 Continue\r\n\r\n", pause_s=0.02), How.INCOMPLETE),
    ],
)
def test_waiting_has_an_end(monkeypatch: pytest.MonkeyPatch, web: Web, how: How) -> None:
    hurry(monkeypatch, 0.3)
    for request in look(web).requests:
        assert request.ending is not None
        assert request.ending.how is how


def test_all_that_came_is_counted() -> None:
    async def talk(peer: Peer) -> None:
        stream = Stream(peer.sock)
        # The first connection only sees whether the address answers.
        with contextlib.suppress(Gone):
            await stream.secure(context_)
            for piece in (b"HTTP/1.1 401 No\r\n", b"X: y\r\n"):
                await stream.write(piece)
                await stream.read(1)
            await peer.finish()

    context_ = certificates.server_context(Tls(), Certificate(name=NAME))
    ending = look(talk).requests[0].ending
    assert ending is not None
    assert ending.received == 23
    assert bytes.fromhex(ending.sample).startswith(b"HTTP/1.1 401")


def test_a_flood_is_not_swallowed() -> None:
    web = Web(lambda _request: b"HTTP/1.1 401 No\r\n" + b"x: y\r\n" * 10_000, pause_s=0.0001)
    for request in look(web).requests:
        assert request.ending is not None
        assert request.ending.how is How.GARBAGE
        assert request.ending.received <= MOST_BYTES
