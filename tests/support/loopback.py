"""Both ends of a conversation on loopback: a server of a few lines, and the context that a probe runs in."""

import asyncio
import contextlib
import errno
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from types import ModuleType

import pytest

from core.check import Context, Shared
from core.model import Gateway, Target
from core.ports import Machine
from core.probes import credssp_step, gateway, session_step, tls_step, tls_versions, x224_step
from core.probes.dialer import Connection, Dialer
from core.wire.rdp_file import RdpFile
from tests.support.fakes import FakeMachine

MOST_BYTES = 1 << 20
"""What a probe may take from one server: 1 MB."""

_WAITS: tuple[tuple[ModuleType, str], ...] = (
    (x224_step, "WAIT"),
    (tls_step, "WAIT"),
    (credssp_step, "WAIT"),
    (session_step, "WAIT"),
    (session_step, "_AFTERWARDS"),
    (tls_versions, "WAIT"),
    (gateway, "HTTP_WAIT"),
)
_SETTLED_S = 0.05


def hurry(monkeypatch: pytest.MonkeyPatch, seconds: float = 0.2) -> None:
    """Cut every wait for a server's words short, for servers that have none."""
    for module, name in _WAITS:
        monkeypatch.setattr(module, name, seconds)


class Peer:
    """One accepted connection. `received` is what its talk has read."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.received = b""

    async def hear(self, most: int = 65_536) -> bytes:
        """The next bytes; none if the client has gone."""
        data = await self._reader.read(most)
        self.received += data
        return data

    async def say(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def silence(self) -> None:
        """Nothing more, until the client goes."""
        while await self.hear():
            pass

    async def finish(self) -> None:
        """FIN, and what the client still says is read: unread input would make it RST."""
        self._writer.write_eof()
        await self.silence()

    def reset(self) -> None:
        """RST."""
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


Talk = Callable[[Peer], Awaitable[None]]


class Listener:
    """A server that gives each connection to a function. `peers` are all connections, in their order."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.peers: list[Peer] = []


@contextlib.asynccontextmanager
async def listening(
    talk: Talk, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[Listener]:
    """Serves while its block runs. A connection ends with its talk: by FIN, or RST if the client was not heard out."""
    tasks: list[asyncio.Task[None]] = []
    running = Listener(0)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer)
        running.peers.append(peer)
        try:
            await talk(peer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client went first
        finally:
            writer.transport.abort() if writer.is_closing() else writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.get_running_loop().create_task(serve(reader, writer)))

    server = await asyncio.start_server(accept, host, 0, ssl=tls)
    running.port = server.sockets[0].getsockname()[1]
    try:
        yield running
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result
        # One turn for the transports to close their sockets.
        await asyncio.sleep(0)


class Crowd:
    """A talk that counts how many clients wait for it at once.

    Nobody is answered before no new client has come for a moment, so that `most` is exact.
    """

    def __init__(self, then: Talk) -> None:
        self._then = then
        self._waiting = 0
        self._newest = 0
        self.most = 0

    async def __call__(self, peer: Peer) -> None:
        self._waiting += 1
        self._newest += 1
        self.most = max(self.most, self._waiting)
        while (newest := self._newest) is not None:
            await asyncio.sleep(_SETTLED_S)
            if newest == self._newest:
                break
        self._waiting -= 1
        await self._then(peer)


def says(data: bytes = b"", *, then: Talk = Peer.finish, first: bool = False) -> Talk:
    """A talk that hears the client, says one thing, and ends. With `first` it does not wait to hear anything."""

    async def talk(peer: Peer) -> None:
        if not first:
            await peer.hear()
        await peer.say(data)
        await then(peer)

    return talk


async def reset(peer: Peer) -> None:
    """RST, as the end of a talk."""
    peer.reset()


def trickle(data: bytes, pause: float = 0.02) -> Talk:
    """A talk that says a byte at a time, over and over, until the client leaves."""

    async def talk(peer: Peer) -> None:
        while True:
            for byte in data:
                await peer.say(bytes((byte,)))
                await asyncio.sleep(pause)

    return talk


def flood(data: bytes) -> Talk:
    """A talk that says one thing over and over, as fast as it goes, until the client leaves."""

    async def talk(peer: Peer) -> None:
        while True:
            await peer.say(data)

    return talk


@contextlib.contextmanager
def closed_port() -> "contextlib.AbstractContextManager[int]":  # type: ignore[misc]
    raise NotImplementedError
