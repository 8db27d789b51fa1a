"""A real name server on loopback, UDP and TCP, that says what a test wants."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, cast

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

Script: TypeAlias = Callable[[dns.message.Message, bool], Iterable[bytes]]
"""From a question, and whether it came by TCP, to the messages that go back. By TCP only the first one counts."""


@dataclass
class NameServer:
    address: str
    port: int
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Name and type of every question, in lower case without the final dot, in order of arrival."""


def knows(records: Mapping[str, Sequence[str]], *, other: dns.rcode.Rcode = dns.rcode.NXDOMAIN) -> Script:
    """Addresses or aliases by name. `other` is said of names that are not in `records`."""

    def script(query: dns.message.Message, _tcp: bool) -> Iterable[bytes]:
        yield response(query, records, other).to_wire(max_size=65_535)

    return script


def says(code: dns.rcode.Rcode) -> Script:
    return knows({}, other=code)


def silent(_query: dns.message.Message, _tcp: bool) -> Iterable[bytes]:
    return ()


def response(
    query: dns.message.Message,
    records: Mapping[str, Sequence[str]],
    other: dns.rcode.Rcode = dns.rcode.NXDOMAIN,
) -> dns.message.Message:
    reply = dns.message.make_response(query)
    kind = dns.rdatatype.to_text(query.question[0].rdtype)
    name = asked_name(query)
    if name not in records:
        reply.set_rcode(other)
    while name in records:
        values = records[name]
        aliases = [value for value in values if value[0].isalpha()]
        addresses = [v for v in values if v not in aliases and (":" in v) is (kind == "AAAA")]
        if aliases:
            reply.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", "CNAME", f"{aliases[0]}."))
        if addresses:
            reply.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", kind, *addresses))
        name = aliases[0] if aliases else ""
    return reply


def asked_name(query: dns.message.Message) -> str:
    return query.question[0].name.to_text(omit_final_dot=True).lower()


@contextlib.asynccontextmanager
async def serving(
    script: Script, *, address: str = "127.0.0.1", port: int = 0, tcp: bool = False
) -> AsyncIterator[NameServer]:
    """Serve for the length of the block. With `tcp` off, TCP connections are refused."""
    udp_socket, tcp_socket = _sockets(address, port, tcp=tcp)
    server = NameServer(address, udp_socket.getsockname()[1])
    closed = asyncio.Event()

    def replies(data: bytes, by_tcp: bool) -> list[bytes]:
        query = dns.message.from_wire(data)
        server.asked.append((asked_name(query), dns.rdatatype.to_text(query.question[0].rdtype)))
        return list(script(query, by_tcp))

    class Datagrams(asyncio.DatagramProtocol):
        transport: asyncio.DatagramTransport

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = cast("asyncio.DatagramTransport", transport)

        def connection_lost(self, exc: Exception | None) -> None:
            closed.set()

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            for reply in replies(data, False):
                self.transport.sendto(reply, addr)

    conversations: set[asyncio.Task[None]] = set()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        for reply in replies(await reader.readexactly(length), True)[:1]:
            writer.write(struct.pack("!H", len(reply)) + reply)
        writer.close()
        await writer.wait_closed()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        conversations.add(asyncio.get_running_loop().create_task(converse(reader, writer)))

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Datagrams, sock=udp_socket)
    listener = await asyncio.start_server(accept, sock=tcp_socket) if tcp_socket else None
    try:
        yield server
    finally:
        transport.close()
        await closed.wait()
        if listener is not None:
            listener.close()
            await listener.wait_closed()
        await asyncio.gather(*conversations)


def _sockets(address: str, port: int, *, tcp: bool) -> tuple[socket.socket, socket.socket | None]:
    """One for UDP and, if asked for, one for TCP, on the same port: the given one, or one that is free for both."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for _ in range(20):
        with contextlib.ExitStack() as stack:
            udp_socket = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
            udp_socket.bind((address, port))
            tcp_socket = stack.enter_context(socket.socket(family, socket.SOCK_STREAM)) if tcp else None
            if tcp_socket is not None:
                tcp_socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    tcp_socket.bind((address, udp_socket.getsockname()[1]))
                except OSError:
                    continue
            stack.pop_all()
            return udp_socket, tcp_socket
    raise OSError(f"no port of {address} is free for UDP and TCP")
