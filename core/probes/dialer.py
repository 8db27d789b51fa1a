"""Opens TCP connections, counts them and keeps their number down.

RDP servers have short queues (xrdp listens with a backlog of 2, FreeRDP with 10), and guards against brute
force count connections: at most 3 at once to one server and under 40 in a run.
"""

import asyncio
import contextlib
import errno
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator
from enum import StrEnum

import msgspec

from core.ports import IcmpNotice, Net, TcpInfo

AT_ONCE = 3
PER_RUN = 39
MOST_KEPT = 1_000_000  # bytes from one connection, whatever the server sends


class Connect(StrEnum):
    """How an attempt to open a TCP connection ended."""

    CONNECTED = "connected"
    REFUSED = "refused"
    SILENT = "silent"
    UNREACHABLE = "unreachable"
    PROHIBITED = "prohibited"
    NO_ROUTE = "no-route"
    BLOCKED_HERE = "blocked-here"
    OTHER = "other"


_BY_ERRNO = {
    errno.ECONNREFUSED: Connect.REFUSED,
    errno.ECONNRESET: Connect.REFUSED,
    errno.ETIMEDOUT: Connect.SILENT,
    errno.EHOSTUNREACH: Connect.UNREACHABLE,
    errno.ENETUNREACH: Connect.NO_ROUTE,
    errno.EADDRNOTAVAIL: Connect.NO_ROUTE,
    errno.EAFNOSUPPORT: Connect.NO_ROUTE,
    errno.EPERM: Connect.BLOCKED_HERE,
    errno.EACCES: Connect.BLOCKED_HERE,
}
# The Proactor loop reports Win32 codes, which carry no errno of their own (system error codes 1-1299).
_BY_WINERROR = {
    121: Connect.SILENT,
    1225: Connect.REFUSED,
    1231: Connect.NO_ROUTE,
    1232: Connect.UNREACHABLE,
    10013: Connect.BLOCKED_HERE,
}


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One try to connect.

    Attributes:
        took_ms: until the answer, or until we stopped waiting.
        info: the kernel's view right after the handshake, where it tells.
        icmp: another machine's ICMP error that ended it, where the kernel tells.
    """

    address: str
    port: int
    outcome: Connect
    took_ms: float
    error: int | None = None
    info: TcpInfo | None = None
    icmp: IcmpNotice | None = None


class BudgetSpent(Exception):  # noqa: N818 - an answer, not an error
    """This run has opened as many connections to that server as it may."""


class Hangup(StrEnum):
    """How the other side ended a conversation."""

    FIN = "fin"
    RST = "rst"
    SILENCE = "silence"
    FLOOD = "flood"


class HungUp(Exception):  # noqa: N818 - an answer, not an error
    """The peer closed, reset, fell silent past a deadline, or sent more than anyone needs."""

    def __init__(self, how: Hangup) -> None:
        super().__init__(how.value)
        self.how = how


class Connection:
    """One open TCP connection, counted. Reads and writes end at a deadline of the caller's choosing.

    Attributes:
        received: bytes that came in so far.
    """

    def __init__(self, sock: socket.socket, attempt: Attempt) -> None:
        self.sock = sock
        self.attempt = attempt
        self.received = 0
        self._loop = asyncio.get_running_loop()

    async def send(self, data: bytes, *, until: float) -> None:
        """Send everything. `until` is a time of the loop's clock. Raises HungUp."""
        try:
            async with asyncio.timeout_at(until):
                await self._loop.sock_sendall(self.sock, data)
        except TimeoutError:
            raise HungUp(Hangup.SILENCE) from None
        except OSError:
            raise HungUp(Hangup.RST) from None

    async def receive(self, *, until: float, most: int = 65_536) -> bytes:
        """At least one byte, or HungUp that says how it ended."""
        room = MOST_KEPT - self.received
        if room <= 0:
            raise HungUp(Hangup.FLOOD)
        try:
            async with asyncio.timeout_at(until):
                data = await self._loop.sock_recv(self.sock, min(most, room))
        except TimeoutError:
            raise HungUp(Hangup.SILENCE) from None
        except OSError:
            raise HungUp(Hangup.RST) from None
        if not data:
            raise HungUp(Hangup.FIN)
        self.received += len(data)
        return data


class Dialer:
    """Opens every TCP connection of a run.

    Args:
        per_run: connections to one host name or address that this run may open.
    """

    def __init__(self, net: Net, *, at_once: int = AT_ONCE, per_run: int = PER_RUN) -> None:
        self._net = net
        self._at_once = at_once
        self._per_run = per_run
        self._slots: dict[str, asyncio.Semaphore] = {}
        self.opened: Counter[str] = Counter()

    def left(self, address: str) -> int:
        """How many connections to this address are still allowed."""
        return self._per_run - self.opened[address]

    @contextlib.asynccontextmanager
    async def dial(self, address: str, port: int, *, timeout: float) -> AsyncIterator[Connection | Attempt]:
        """A connection for the length of the block, or the failed Attempt. Waits for a free slot first.

        The timeout counts from the SYN. Closing sends what the system sends: FIN, or RST with unread input.

        Raises:
            BudgetSpent: no more connections to this server in this run.
        """
        slot = self._slots.setdefault(address, asyncio.Semaphore(self._at_once))
        async with slot:
            if self.left(address) <= 0:
                raise BudgetSpent
            self.opened[address] += 1
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            with socket.socket(family, socket.SOCK_STREAM) as sock:
                sock.setblocking(False)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._net.watch_icmp(sock)
                attempt = await self._connect(sock, address, port, timeout)
                yield Connection(sock, attempt) if attempt.outcome is Connect.CONNECTED else attempt

    async def _connect(self, sock: socket.socket, address: str, port: int, timeout: float) -> Attempt:
        started = time.perf_counter()
        outcome, error, icmp = Connect.CONNECTED, None, None
        try:
            async with asyncio.timeout(timeout):
                await asyncio.get_running_loop().sock_connect(sock, sockaddr(address, port))
        except TimeoutError as late:
            # ETIMEDOUT from the kernel is a TimeoutError too; either way nobody answered.
            outcome, error = Connect.SILENT, getattr(late, "errno", None)
        except OSError as failed:
            error = getattr(failed, "winerror", None) or failed.errno
            outcome = _BY_WINERROR.get(error or 0) or _BY_ERRNO.get(failed.errno or 0, Connect.OTHER)
            icmp = self._net.icmp_notice(sock)
            # What comes from our own address is this PC's word: its firewall, or that nobody answered ARP.
            own = icmp is not None and icmp.sender == sock.getsockname()[0].partition("%")[0]
            if icmp is not None and icmp.prohibited:
                outcome = Connect.BLOCKED_HERE if own else Connect.PROHIBITED
            icmp = None if own else icmp
        took = round((time.perf_counter() - started) * 1000, 3)
        tcp_info = None
        if outcome is Connect.CONNECTED:
            self._net.watch_icmp(sock, on=False)
            tcp_info = self._net.tcp_info(sock)
        return Attempt(
            address=address, port=port, outcome=outcome, took_ms=took, error=error, info=tcp_info, icmp=icmp
        )


def sockaddr(address: str, port: int) -> tuple[str, int] | tuple[str, int, int, int]:
    """The socket address for a numeric address, with the zone of a link-local one (`fe80::1%eth0`)."""
    host, _, zone = address.partition("%")
    if ":" not in host:
        return host, port
    if not zone:
        return host, port, 0, 0
    scope = int(zone) if zone.isdigit() else socket.if_nametoindex(zone)
    return host, port, 0, scope
