"""Both ends of a conversation on loopback: a server of a few lines, and the context in which a probe runs."""

import asyncio
import contextlib
import socket
import struct
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from types import ModuleType
from typing import Any, TypeVar

import pytest

from core.check import Context, Shared
from core.model import Gateway, Target
from core.ports import Machine
from core.probes import credssp_step, gateway, session_step, tls_step, tls_versions, x224_step
from core.probes.dialer import PER_RUN, Connection, Dialer
from core.wire.rdp_file import RdpFile
from tests.support.fakes import FakeMachine

T = TypeVar("T")

MOST_BYTES = 1 << 20
"""What a probe takes from one connection at most: 1 MB."""

_LONGEST_S = 10.0  # for one test; only a deadline that does not hold comes near
_SETTLED_S = 0.05
_WAITS: tuple[tuple[ModuleType, str], ...] = (
    (x224_step, "WAIT"),
    (tls_step, "WAIT"),
    (credssp_step, "WAIT"),
    (session_step, "WAIT"),
    (session_step, "_AFTERWARDS"),
    (tls_versions, "WAIT"),
    (gateway, "HTTP_WAIT"),
)


def hurry(monkeypatch: pytest.MonkeyPatch, seconds: float = 0.2) -> None:
    """Cut every wait for a server's words short, for servers that have none."""
    for module, name in _WAITS:
        monkeypatch.setattr(module, name, seconds)


def run(main: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run`, which must end in time and find no task left."""

    async def watched() -> T:
        async with asyncio.timeout(_LONGEST_S):
            result = await main
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return result

    return asyncio.run(watched())


# --- The client's end


@contextlib.asynccontextmanager
async def context(
    port: int,
    *,
    host: str = "127.0.0.1",
    machine: Machine | None = None,
    gateway: Gateway | None = None,
    rdp: RdpFile | None = None,
    attempt: int = 1,
    per_run: int = PER_RUN,
) -> AsyncIterator[Context]:
    """What a probe may use. The end of the block waits for the measurements that the probe has started."""
    machine = machine or FakeMachine()
    async with asyncio.TaskGroup() as group:
        yield Context(
            machine=machine,
            target=Target(typed=host, host=host, port=port, gateway=gateway, rdp=rdp),
            dialer=Dialer(machine.net, per_run=per_run),
            shared=Shared(group),
            rows={},
            attempt=attempt,
        )


@contextlib.asynccontextmanager
async def connected(port: int, host: str = "127.0.0.1") -> AsyncIterator[Connection]:
    """A connection of the dialer; a failed attempt fails the test."""
    async with Dialer(FakeMachine().net).dial(host, port, timeout=5) as connection:
        assert isinstance(connection, Connection), connection
        yield connection


# --- The server's end


class Peer:
    """One accepted connection; `received` is what the client said."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.received = b""
        self._loop = asyncio.get_running_loop()

    @property
    def gone(self) -> bool:
        """The client has left, and nothing that it said waits to be heard."""
        try:
            return not self.sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True

    async def hear(self) -> bytes:
        """The next bytes; none if the client has gone."""
        data = await self._loop.sock_recv(self.sock, 65_536)
        self.received += data
        return data

    async def say(self, data: bytes) -> None:
        await self._loop.sock_sendall(self.sock, data)

    async def silence(self) -> None:
        """Nothing more until the client goes."""
        while await self.hear():
            pass

    async def finish(self) -> None:
        """FIN. What the client still says is heard, for unread input would make it RST."""
        self.sock.shutdown(socket.SHUT_WR)
        await self.silence()

    async def reset(self) -> None:
        """RST."""
        linger = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.sock.close()


Talk = Callable[[Peer], Awaitable[None]]


class Listener:
    """A server that gives each connection to a talk, and closes it when the talk is over.

    Attributes:
        peers: all connections so far, in the order in which they came.
        ended: gets every connection whose talk is over.
    """

    def __init__(self, talk: Talk, sock: socket.socket) -> None:
        self._talk = talk
        self._sock = sock
        self._closing = False
        self.peers: list[Peer] = []
        self.ended: asyncio.Queue[Peer] = asyncio.Queue()

    @property
    def port(self) -> int:
        return int(self._sock.getsockname()[1])

    async def serve(self) -> None:
        async with asyncio.TaskGroup() as group:
            talks = []
            while True:
                sock, _ = await asyncio.get_running_loop().sock_accept(self._sock)
                if self._closing:
                    sock.close()
                    break
                self.peers.append(Peer(sock))
                talks.append(group.create_task(self._serve(self.peers[-1]), name="loopback peer"))
            for talk in talks:
                talk.cancel()

    async def _serve(self, peer: Peer) -> None:
        with peer.sock, contextlib.suppress(OSError):  # the client went first
            await self._talk(peer)
        self.ended.put_nowait(peer)

    async def stop(self) -> None:
        """Ends every talk, after a last connection: cancelling an accept could lose one that just came."""
        self._closing = True
        with socket.socket(self._sock.family) as last:
            last.setblocking(False)
            await asyncio.get_running_loop().sock_connect(last, self._sock.getsockname())


@contextlib.asynccontextmanager
async def listening(talk: Talk, *, host: str = "127.0.0.1") -> AsyncIterator[Listener]:
    """Serves while its block runs. Raises what a talk raised, unless the connection broke."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family, backlog=16) as sock:
        sock.setblocking(False)
        listener = Listener(talk, sock)
        serving = asyncio.get_running_loop().create_task(listener.serve(), name="loopback server")
        try:
            yield listener
        finally:
            if not serving.done():
                await listener.stop()
            await serving


def says(data: bytes, then: Talk = Peer.finish, *, first: bool = False) -> Talk:
    """A talk that hears the client (with `first` it does not wait for that), says one thing, and ends."""

    async def talk(peer: Peer) -> None:
        if not first:
            await peer.hear()
        await peer.say(data)
        await then(peer)

    return talk


def trickles(data: bytes) -> Talk:
    """A talk that says a byte at a time, over and over, until the client goes."""

    async def talk(peer: Peer) -> None:
        while True:
            for byte in data:
                await peer.say(bytes((byte,)))
                await asyncio.sleep(0.01)

    return talk


def floods(data: bytes) -> Talk:
    """A talk that says one thing over and over, as fast as it is taken, until the client goes."""

    async def talk(peer: Peer) -> None:
        while True:
            await peer.say(data)
            # A write that fits into the buffer does not wait, and then nobody else would run.
            await asyncio.sleep(0)

    return talk


class Crowd:
    """A talk that counts how many clients wait at once.

    `most` is exact: nobody is answered while more come, and who has gone without a word no longer waits.
    """

    def __init__(self, then: Talk) -> None:
        self._then = then
        self._waiting: list[Peer] = []
        self._came = 0
        self.most = 0

    async def __call__(self, peer: Peer) -> None:
        self._came += 1
        self._waiting.append(peer)
        self.most = max(self.most, sum(not one.gone for one in self._waiting))
        before = 0
        while before != self._came:
            before = self._came
            await asyncio.sleep(_SETTLED_S)
        self._waiting.remove(peer)
        await self._then(peer)
