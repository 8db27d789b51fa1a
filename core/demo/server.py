"""A scripted RDP server on loopback: for showing and testing what real servers cannot be made to do."""

import asyncio
import contextlib
import errno
import ipaddress
import socket
import sys
from types import TracebackType
from typing import Self

from core.demo import certificates
from core.demo.conversation import Conversation
from core.demo.faults import Script, Step
from core.demo.stream import Stream
from core.wire import rdpudp
from core.wire.errors import WireError

DEADLINE_S = 30.0
"""No conversation lasts longer."""

_BACKLOG = 16
_PORT_TRIES = 20
_FIRST_SEQUENCE = 0x42  # of our datagrams; any number will do


class _Closed(Exception):  # noqa: N818 - the word to stop, not an error
    """The server's block is over."""


class ScriptedServer:
    """Serves a script while its `async with` block runs, to any number of clients at once.

    Args:
        host: a numeric loopback address.
        port: 0 takes a free one.
        udp: answer RDP-UDP SYNs on the same port number.

    Raises:
        ValueError: the host is not loopback.
        OSError: on entry, if the port is taken.
    """

    def __init__(self, script: Script, *, host: str = "127.0.0.1", port: int = 0, udp: bool = False) -> None:
        if not ipaddress.ip_address(host).is_loopback:
            raise ValueError(f"{host} is not a loopback address")
        self._script = script
        self._context = certificates.server_context(script.tls, script.certificate)
        self._host = host
        self._family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._port = port
        self._udp = udp
        self._steps: list[list[Step]] = []
        self._task: asyncio.Task[None] | None = None
        self._closing = False

    @property
    def port(self) -> int:
        """The port number; from entry on never 0."""
        return self._port

    @property
    def connections(self) -> list[tuple[Step, ...]]:
        """How far each connection has come, in the order of their acceptance."""
        return [tuple(steps) for steps in self._steps]

    async def __aenter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            listener, datagrams = self._bind(stack)
            self._port = listener.getsockname()[1]
            if self._script.listens:
                listener.listen(_BACKLOG)
                self._task = asyncio.get_running_loop().create_task(
                    self._serve(listener, datagrams), name="scripted-server"
                )
            self._sockets = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends every conversation and waits for that."""
        with self._sockets:
            if self._task is None:
                return
            self._closing = True
            if not self._task.done():
                await self._wake()
            await self._task

    async def _wake(self) -> None:
        """Make the server look up from its waiting, by connecting to it.

        If that wait were cancelled, asyncio could lose a connection that it is just accepting, and leave the
        socket open (sock_accept of CPython 3.11 to 3.13).
        """
        with socket.socket(self._family) as sock:
            sock.setblocking(False)
            await asyncio.get_running_loop().sock_connect(sock, (self._host, self._port))

    async def _serve(self, listener: socket.socket, datagrams: socket.socket | None) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                if datagrams is not None:
                    group.create_task(_answer_datagrams(datagrams))
                while True:
                    sock, _ = await asyncio.get_running_loop().sock_accept(listener)
                    if self._closing:
                        sock.close()
                        raise _Closed
                    group.create_task(self._talk(sock))
        except* _Closed:
            pass

    async def _talk(self, sock: socket.socket) -> None:
        steps: list[Step] = []
        self._steps.append(steps)
        with sock, contextlib.suppress(TimeoutError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            async with asyncio.timeout(DEADLINE_S):
                await Conversation(self._script, self._context, Stream(sock), steps).play()

    def _bind(self, stack: contextlib.ExitStack) -> tuple[socket.socket, socket.socket | None]:
        """The sockets. A port that is free for TCP may be taken for UDP; then another one is tried."""
        for _ in range(_PORT_TRIES):
            with contextlib.ExitStack() as attempt:
                listener = attempt.enter_context(self._bound(socket.SOCK_STREAM, self._port))
                datagrams = None
                if self._udp:
                    try:
                        datagrams = self._bound(socket.SOCK_DGRAM, listener.getsockname()[1])
                    except OSError:
                        if self._port:
                            raise
                        continue
                    attempt.enter_context(datagrams)
                stack.enter_context(attempt.pop_all())
                return listener, datagrams
        raise OSError(errno.EADDRINUSE, "no port is free for TCP and UDP")

    def _bound(self, kind: socket.SocketKind, port: int) -> socket.socket:
        with contextlib.ExitStack() as stack:
            sock = stack.enter_context(socket.socket(self._family, kind))
            sock.setblocking(False)
            if sys.platform != "win32":  # where the option means something else, and is not needed
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((self._host, port))
            stack.pop_all()
        return sock


async def _answer_datagrams(sock: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    while True:
        # Windows reports here that an earlier answer found nobody.
        with contextlib.suppress(OSError, WireError):
            data, client = await loop.sock_recvfrom(sock, rdpudp.DATAGRAM_SIZE)
            answer = rdpudp.syn_ack(rdpudp.parse_syn(data), initial_sequence=_FIRST_SEQUENCE)
            await loop.sock_sendto(sock, answer, client)
