"""ICMP echo on Linux, without admin rights where the administrator allows it (icmp(7) "ping_group_range")."""

import sys

if sys.platform != "linux":
    raise ImportError("asks Linux")

import asyncio
import errno
import os
import socket
import struct
import time

import msgspec

from core.linux import error_queue
from core.linux.error_queue import QueuedError
from core.ports import Denied, Echo, EchoOutcome, IpAddress, Unsupported
from core.probes.dialer import sockaddr

# linux/in.h, linux/in6.h; the socket module does not name them.
_IP_MTU_DISCOVER, _IPV6_MTU_DISCOVER, _IPV6_DONTFRAG = 10, 23, 62
# PROBE sets DF and heeds no path MTU learnt before; DONT clears DF.
_PMTUDISC_DONT, _PMTUDISC_PROBE = 0, 3

# type, code, checksum, identifier, sequence: RFC 792, RFC 4443 4
_REPLY, _REQUEST = 0, 8
_REQUEST6, _REPLY6 = 128, 129
_MOST_PAYLOAD = 65_000
_ROOM = 65_536

_End = tuple[EchoOutcome, str | None, int | None]  # outcome, sender, MTU


async def echo(
    address: IpAddress, *, payload: int, dont_fragment: bool, ttl: int | None, timeout: float
) -> Echo:
    """One echo as `core.ports.Net.echo` says.

    Raises:
        Denied: this user may have no ICMP socket, or the firewall of this PC holds the echo back.
        Unsupported: this PC does not speak that IP version.
    """
    sock, raw = _open(address.version)
    with sock:
        sock.setblocking(False)
        _set_options(sock, dont_fragment=dont_fragment, ttl=ttl)
        request = _request(address.version, min(payload, _MOST_PAYLOAD))
        ping = _Ping(sock=sock, raw=raw, address=address, request=request)
        started = time.perf_counter()
        try:
            async with asyncio.timeout(timeout):
                outcome, sender, mtu = ping.send() or await ping.answer()
        except TimeoutError:
            outcome, sender, mtu = EchoOutcome.SILENT, None, None
        took_ms = round((time.perf_counter() - started) * 1000, 3)
    return Echo(outcome=outcome, took_ms=took_ms, sender=sender, mtu=mtu)


class _Ping(msgspec.Struct, frozen=True, kw_only=True):
    """One request on a socket of its own.

    Attributes:
        raw: the socket sees every ICMP packet from that address, and IPv4 headers; otherwise the kernel sorts
            them by an identifier of its own choosing.
    """

    sock: socket.socket
    raw: bool
    address: IpAddress
    request: bytes

    def send(self) -> _End | None:
        """Send it. The end, if the machine itself knows that it cannot leave."""
        try:
            self.sock.connect(sockaddr(str(self.address), 0))
            self.sock.send(self.request)
        except OSError as error:
            if error.errno == errno.EPERM:
                raise Denied(f"sending an ICMP echo: {error.strerror}") from None
            if error.errno == errno.EMSGSIZE:
                queued = error_queue.take(self.sock)
                return EchoOutcome.TOO_BIG, None, queued.mtu if queued else None
            return EchoOutcome.UNREACHABLE, None, None
        return None

    async def answer(self) -> _End:
        """Wait for the reply or an error about this request."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                data = await loop.sock_recv(self.sock, _ROOM)
            except OSError:
                # Only says that something is in the queue; it may be about another program's echo.
                while queued := error_queue.take(self.sock):
                    end = _end(queued) if self._is_mine(queued.packet) else None
                    if end is not None:
                        return end
            else:
                if self._is_reply(data):
                    return EchoOutcome.REPLY, str(self.address), None

    def _is_reply(self, data: bytes) -> bool:
        if self.sock.family == socket.AF_INET6:
            return data[:1] == bytes([_REPLY6]) and self._is_mine(data)
        if self.raw and data:
            data = data[(data[0] & 0x0F) * 4 :]  # the IPv4 header
        return data[:1] == bytes([_REPLY]) and self._is_mine(data)

    def _is_mine(self, message: bytes) -> bool:
        start = (
            4 if self.raw else 6
        )  # of the identifier or, where the kernel has put its own, of the sequence
        return message[start:8] == self.request[start:8]


def _end(error: QueuedError) -> _End | None:
    """What an error says; None for one after which a reply may still come."""
    sender = None if error.sender is None else str(error.sender)
    six = error.family is socket.AF_INET6
    unreachable, time_exceeded = (
        (error_queue.ICMP6_UNREACHABLE, error_queue.ICMP6_TIME_EXCEEDED)
        if six
        else (error_queue.ICMP_UNREACHABLE, error_queue.ICMP_TIME_EXCEEDED)
    )
    if error.errno == errno.EMSGSIZE:
        return EchoOutcome.TOO_BIG, sender, error.mtu
    if error.prohibited:
        return EchoOutcome.PROHIBITED, sender, None
    if error.type == unreachable or sender is None:
        return EchoOutcome.UNREACHABLE, sender, None
    if (error.type, error.code) == (time_exceeded, 0):
        return EchoOutcome.TTL_EXPIRED, sender, None
    return None


def _open(version: int) -> tuple[socket.socket, bool]:
    family, protocol = (
        (socket.AF_INET, socket.IPPROTO_ICMP) if version == 4 else (socket.AF_INET6, socket.IPPROTO_ICMPV6)
    )
    try:
        try:
            return socket.socket(family, socket.SOCK_DGRAM, protocol), False
        except PermissionError:
            return socket.socket(family, socket.SOCK_RAW, protocol), True
    except PermissionError as error:
        raise Denied(f"ICMP socket: {error.strerror} (net.ipv4.ping_group_range)") from None
    except OSError as error:
        raise Unsupported(f"ICMP socket: {error.strerror}") from None


def _set_options(sock: socket.socket, *, dont_fragment: bool, ttl: int | None) -> None:
    discover = _PMTUDISC_PROBE if dont_fragment else _PMTUDISC_DONT
    if sock.family == socket.AF_INET:
        sock.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, discover)
    else:
        sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, discover)
        sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_DONTFRAG, dont_fragment)
    if ttl is not None and sock.family == socket.AF_INET:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
    elif ttl is not None:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, ttl)
    error_queue.watch(sock)


def _request(version: int, payload: int) -> bytes:
    """An echo request. Random data, because a tunnel that compresses would make a big packet small."""
    kind = _REQUEST if version == 4 else _REQUEST6
    body = os.urandom(4 + payload)  # identifier, sequence, data
    return struct.pack("!BBH", kind, 0, _checksum(bytes([kind, 0]) + body)) + body


def _checksum(message: bytes) -> int:
    """RFC 1071. The kernel fills it in for ICMPv6 and for datagram sockets, a raw IPv4 socket sends what it gets."""
    padded = message + b"\0" * (len(message) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
