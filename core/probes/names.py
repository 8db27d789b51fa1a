"""Questions to one name server at a time, so that several can be compared.

What the system resolver says is the truth for a client (`ports.Names`); these answers explain it. They are plain DNS
(RFC 1035) past hosts file, cache and name resolution policies.
"""

import asyncio
import ipaddress
import socket
import struct
import time
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Final

import msgspec

from core.check import elapsed_ms
from core.ports import IpAddress
from core.probes.dialer import sockaddr

PORT: Final = 53
SERVER_WAIT: Final = 1.5  # seconds for one server, everything included
_SEND_AGAIN: Final = 0.7  # seconds; one lost datagram must not make a server look dead
_MOST_STRAYS: Final = 16  # datagrams that answer another question, before we stop listening
_MOST_ADDRESSES: Final = 16  # of one name, from one server


class Outcome(StrEnum):
    """What one server says of a name. `nodata`: the name exists and has no address."""

    FOUND = "found"
    NXDOMAIN = "nxdomain"
    NODATA = "nodata"
    SERVFAIL = "servfail"
    REFUSED = "refused"
    GARBAGE = "garbage"
    SILENT = "silent"
    BLOCKED_HERE = "blocked-here"
    """This PC did not let the question out (EPERM, EACCES)."""


# A and AAAA of one name are two questions. NXDOMAIN is about the name and settles both; NODATA is about one type,
# so it counts only when no other thing happened to the second question.
_OF_TYPES: Final = (
    Outcome.FOUND,
    Outcome.NXDOMAIN,
    Outcome.SERVFAIL,
    Outcome.REFUSED,
    Outcome.GARBAGE,
    Outcome.SILENT,
    Outcome.BLOCKED_HERE,
    Outcome.NODATA,
)


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One server's word on the addresses (A and AAAA together) of one name.

    Attributes:
        alias: the name that the asked one stands for (CNAME), if it has the addresses.
        took_ms: until both answers were there, or until we stopped waiting.
        detail: what the system said when the question could not be sent, or the unusual response code.
    """

    server: str
    name: str
    outcome: Outcome
    addresses: tuple[str, ...] = ()
    alias: str | None = None
    took_ms: float = 0.0
    detail: str = ""


def literal(host: str) -> IpAddress | None:
    """The address that `host` is written as, or None for a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def is_loopback(host: str) -> bool:
    """Does this address or name mean this computer, by its meaning alone (RFC 6761 6.3)?"""
    address = literal(host)
    if address is None:
        name = host.removesuffix(".").lower()
        return name == "localhost" or name.endswith(".localhost")
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def can_be_asked(name: str) -> bool:
    """Does DNS have room for this name? Suffixes come from the network and may be anything."""
    import dns.exception  # noqa: PLC0415
    import dns.name  # noqa: PLC0415

    try:
        return len(dns.name.from_text(name)) > 1
    except (dns.exception.DNSException, ValueError):
        return False


async def ask_all(
    servers: Sequence[str], names: Sequence[str], *, port: int = PORT, timeout: float = SERVER_WAIT
) -> tuple[Answer, ...]:
    """Ask every server for every name, all at once. In the order of the servers, then of the names."""
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(ask(server, name, port=port, timeout=timeout), name=f"ask {server} for {name}")
            for server in servers
            for name in names
        ]
    return tuple(task.result() for task in tasks)


async def ask(server: str, name: str, *, port: int = PORT, timeout: float = SERVER_WAIT) -> Answer:
    """Ask one server for A and AAAA of one name, by UDP, and by TCP what does not fit.

    `server` is a numeric address, with its zone if it is a link-local one. `name` is a host name in ASCII and
    taken as complete: no suffix is added. `timeout` is in seconds and for everything together.
    """
    # Made before the clock starts: the first one loads a library.
    questions = [_question(name, kind) for kind in ("A", "AAAA")]
    started = time.perf_counter()
    until = asyncio.get_running_loop().time() + timeout
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(_ask(server, port, question, until), name=f"ask {server} for {name}")
            for question in questions
        ]
    replies = [task.result() for task in tasks]
    addresses = tuple(dict.fromkeys(address for reply in replies for address in reply.addresses))
    return Answer(
        server=server,
        name=name,
        outcome=min((reply.outcome for reply in replies), key=_OF_TYPES.index),
        addresses=addresses[:_MOST_ADDRESSES],
        alias=next((reply.alias for reply in replies if reply.alias), None),
        took_ms=elapsed_ms(started),
        detail=next((reply.detail for reply in replies if reply.detail), ""),
    )


class _Reply(msgspec.Struct, frozen=True, kw_only=True):
    outcome: Outcome
    addresses: tuple[str, ...] = ()
    alias: str | None = None
    detail: str = ""
    truncated: bool = False


class _Question(msgspec.Struct, frozen=True):
    """One question in wire form, and the reader of what comes back: None for anything that does not answer it."""

    wire: bytes
    read: Callable[[bytes], _Reply | None]


def _question(name: str, kind: str) -> _Question:
    # Loading dnspython takes 50 ms: a program start that asks nobody shall not pay for it.
    import dns.exception  # noqa: PLC0415
    import dns.flags  # noqa: PLC0415
    import dns.message  # noqa: PLC0415
    import dns.rcode  # noqa: PLC0415
    import dns.rdatatype  # noqa: PLC0415
    from dns.rdtypes.IN.A import A  # noqa: PLC0415
    from dns.rdtypes.IN.AAAA import AAAA  # noqa: PLC0415

    # Without EDNS, as the simplest of home routers understand it; addresses fit into 512 bytes.
    query = dns.message.make_query(name, kind, use_edns=False)
    outcomes = {
        dns.rcode.NOERROR: Outcome.NODATA,
        dns.rcode.NXDOMAIN: Outcome.NXDOMAIN,
        dns.rcode.REFUSED: Outcome.REFUSED,
    }

    def read(data: bytes) -> _Reply | None:
        try:
            reply = dns.message.from_wire(data, ignore_trailing=True)
            if not query.is_response(reply):
                return None
        except (dns.exception.DNSException, ValueError):
            return None
        # The chain of aliases that leads to an address is the server's affair: only where it ends counts.
        records = [(rrset.name, record) for rrset in reply.answer for record in rrset]
        found = [(owner, r.address) for owner, r in records if isinstance(r, A | AAAA)][:_MOST_ADDRESSES]
        code = reply.rcode()
        outcome = outcomes.get(code, Outcome.SERVFAIL)
        if outcome is not Outcome.NODATA:
            found = []
        aliases = [
            owner.to_text(omit_final_dot=True) for owner, _ in found if owner != query.question[0].name
        ]
        return _Reply(
            outcome=Outcome.FOUND if found else outcome,
            addresses=tuple(address for _, address in found),
            alias=aliases[0] if aliases else None,
            detail="" if code in outcomes else dns.rcode.to_text(code),
            truncated=bool(reply.flags & dns.flags.TC),
        )

    return _Question(query.to_wire(), read)


async def _ask(server: str, port: int, question: _Question, until: float) -> _Reply:
    try:
        reply = await _by_udp(server, port, question, until)
        return await _whole(server, port, question, until, reply) if reply.truncated else reply
    except TimeoutError:
        return _Reply(outcome=Outcome.SILENT)
    except PermissionError as error:
        return _Reply(outcome=Outcome.BLOCKED_HERE, detail=error.strerror or "")
    except OSError as error:
        # Nobody listens there, or there is no way to it: either way, no name server speaks.
        return _Reply(outcome=Outcome.SILENT, detail=error.strerror or type(error).__name__)


async def _by_udp(server: str, port: int, question: _Question, until: float) -> _Reply:
    loop = asyncio.get_running_loop()
    with _socket(server, socket.SOCK_DGRAM) as sock:
        # A connected socket hears this server alone, and hears of an ICMP error at once.
        sock.connect(sockaddr(server, port))
        strays = 0
        for patience in (min(loop.time() + _SEND_AGAIN, until), until):
            await loop.sock_sendall(sock, question.wire)
            try:
                async with asyncio.timeout_at(patience):
                    while strays < _MOST_STRAYS:
                        reply = question.read(await loop.sock_recv(sock, 65_535))
                        if reply is not None:
                            return reply
                        # A late, forged or broken answer: the right one may still be on its way.
                        strays += 1
            except TimeoutError:
                continue
    return _Reply(outcome=Outcome.GARBAGE if strays else Outcome.SILENT)


async def _whole(server: str, port: int, question: _Question, until: float, part: _Reply) -> _Reply:
    """What did not fit into a datagram, by TCP (RFC 7766). Without it, addresses that did fit are better than none."""
    loop = asyncio.get_running_loop()
    try:
        with _socket(server, socket.SOCK_STREAM) as sock:
            async with asyncio.timeout_at(until):
                await loop.sock_connect(sock, sockaddr(server, port))
                await loop.sock_sendall(sock, struct.pack("!H", len(question.wire)) + question.wire)
                (length,) = struct.unpack("!H", await _exactly(sock, 2))
                reply = question.read(await _exactly(sock, length))
    except OSError:  # TimeoutError too
        reply = None
    cut = part if part.addresses else _Reply(outcome=Outcome.GARBAGE, detail="truncated, and nothing by TCP")
    return reply or cut


async def _exactly(sock: socket.socket, count: int) -> bytes:
    """Raises ConnectionAbortedError if the server hangs up first."""
    loop = asyncio.get_running_loop()
    data = bytearray()
    while len(data) < count:
        chunk = await loop.sock_recv(sock, count - len(data))
        if not chunk:
            raise ConnectionAbortedError
        data += chunk
    return bytes(data)


def _socket(server: str, kind: socket.SocketKind) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, kind)
    sock.setblocking(False)
    return sock
