"""One connection as the scripted server sees it: bytes in, bytes out, plain first and through TLS later.

TLS runs through memory BIOs, so that the server can say anything at any moment, in the clear or not.
"""

import asyncio
import socket
import ssl
import struct
import sys
from collections.abc import Callable

_MOST_READ = 1_000_000  # bytes of one client; a whole handshake has less than 10,000
_CHUNK = 65_536
_GOODBYE_S = 1.0


class Gone(Exception):  # noqa: N818 - an ending, not an error
    """The client closed or reset, broke TLS, or sent more than any client needs to."""


class Stream:
    """Reads and writes one accepted, non-blocking socket.

    Every wait ends with Gone when the client goes; deadlines are the caller's.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self._received = 0
        self._buffer = bytearray()
        self._from_client = ssl.MemoryBIO()
        self._to_client = ssl.MemoryBIO()
        self._tls: ssl.SSLObject | None = None

    async def read(self, size: int) -> bytes:
        """Exactly `size` bytes. Raises Gone."""
        while len(self._buffer) < size:
            self._buffer += await (self._receive() if self._tls is None else self._decrypt(self._tls))
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    async def read_whole(self, length_of: Callable[[bytes], int | None]) -> bytes:
        """One message. `length_of` reads its length off its first bytes, None while they are too few. Raises Gone."""
        data = b""
        while (length := length_of(data)) is None:
            data += await self.read(1)
        return data + await self.read(length - len(data))

    async def write(self, data: bytes) -> None:
        """Send everything. Raises Gone."""
        if self._tls is None:
            await self._send(data)
        elif data:
            self._tls.write(data)
            await self._flush()

    async def secure(self, context: ssl.SSLContext, first: bytes = b"") -> None:
        """Become a TLS server; `first` is what was already read of the client's hello.

        Raises:
            Gone: the handshake failed; the alert that says why is sent.
        """
        tls = context.wrap_bio(self._from_client, self._to_client, server_side=True)
        self._from_client.write(first + bytes(self._buffer))
        self._buffer.clear()
        await self._pump(tls.do_handshake)
        self._tls = tls

    async def finish(self) -> None:
        """Send FIN, and read on for a moment: a socket closed with unread input would send RST instead."""
        try:
            self._sock.shutdown(socket.SHUT_WR)
            async with asyncio.timeout(_GOODBYE_S):
                await self.ignore()
        except (OSError, TimeoutError, Gone):
            pass

    def reset(self) -> None:
        """Send RST. The socket is closed then."""
        linger = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._sock.close()

    async def ignore(self) -> None:
        """Read and forget until the client goes. Raises Gone, always."""
        while True:
            await self._receive()

    async def _decrypt(self, tls: ssl.SSLObject) -> bytes:
        data = await self._pump(lambda: tls.read(_CHUNK))
        if not data:
            raise Gone
        return data

    async def _pump(self, step: Callable[[], bytes | None]) -> bytes:
        """Call `step` until TLS has what it needs for it, and send what TLS wants to be sent."""
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                await self._flush()
                self._from_client.write(await self._receive())
            except ssl.SSLError:
                await self._flush()
                raise Gone from None
            else:
                await self._flush()
                return result or b""

    async def _flush(self) -> None:
        await self._send(self._to_client.read())

    async def _send(self, data: bytes) -> None:
        try:
            await self._loop.sock_sendall(self._sock, data)
        except OSError:
            raise Gone from None

    async def _receive(self) -> bytes:
        try:
            data = await self._loop.sock_recv(self._sock, _CHUNK)
        except OSError:
            raise Gone from None
        self._received += len(data)
        if not data or self._received > _MOST_READ:
            raise Gone
        return data
