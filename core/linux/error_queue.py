"""The error queue of a socket: the ICMP errors that came back for its packets, with their senders.

ip(7) "IP_RECVERR", linux/errqueue.h. TCP sockets keep errors of the connect phase since Linux 5.9; before, and
for a refused connection, the queue is empty.
"""

import sys

if sys.platform != "linux":
    raise ImportError("asks Linux")

import ipaddress
import socket
import struct

import msgspec

from core.ports import IcmpNotice, IpAddress

# linux/in.h, linux/in6.h; the socket module does not name them.
IP_RECVERR = 11
IPV6_RECVERR = 25

ICMP_UNREACHABLE = 3
ICMP_FRAGMENTATION_NEEDED = 4  # a code of ICMP_UNREACHABLE
ICMP_TIME_EXCEEDED = 11
ICMP6_UNREACHABLE = 1
ICMP6_TOO_BIG = 2
ICMP6_TIME_EXCEEDED = 3

# RFC 1812 5.2.7.1: communication with that network, host or at all is administratively prohibited.
_PROHIBITED = frozenset({9, 10, 13})
# RFC 4443 3.1: administratively prohibited, source address failed policy, reject route.
_PROHIBITED6 = frozenset({1, 5, 6})

_EXTENDED_ERROR = struct.Struct("=IBBBBII")  # sock_extended_err: errno, origin, type, code, pad, info, data
_FROM_HERE, _FROM_ICMP, _FROM_ICMP6 = 1, 2, 3  # SO_EE_ORIGIN_*
_ROOM = 512


class QueuedError(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the queue.

    Attributes:
        sender: who sent the ICMP error; None for an error of this machine's own.
        type, code: of the ICMP or ICMPv6 message, 0 for an error of this machine's own.
        mtu: with too-big errors, what would have passed.
        packet: the start of what the error is about, from the transport header on.
    """

    errno: int
    family: socket.AddressFamily
    sender: IpAddress | None
    type: int
    code: int
    mtu: int
    packet: bytes

    @property
    def prohibited(self) -> bool:
        if self.family is socket.AF_INET6:
            return self.type == ICMP6_UNREACHABLE and self.code in _PROHIBITED6
        return self.type == ICMP_UNREACHABLE and self.code in _PROHIBITED


def watch(sock: socket.socket, *, on: bool = True) -> None:
    """Let the kernel queue ICMP errors for this socket, or stop it."""
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, on)
    else:
        sock.setsockopt(socket.IPPROTO_IP, IP_RECVERR, on)


def take(sock: socket.socket) -> QueuedError | None:
    """The oldest entry, removed from the queue; None when there is none."""
    try:
        packet, ancillary, _, _ = sock.recvmsg(_ROOM, _ROOM, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT)
    except OSError:
        return None
    for level, kind, data in ancillary:
        if (level, kind) == (socket.IPPROTO_IP, IP_RECVERR):
            return _parse(data, packet, socket.AF_INET)
        if (level, kind) == (socket.IPPROTO_IPV6, IPV6_RECVERR):
            return _parse(data, packet, socket.AF_INET6)
    return None


def icmp_notice(sock: socket.socket) -> IcmpNotice | None:
    """The first ICMP error in the queue of a socket that `watch` was called for."""
    while (error := take(sock)) is not None:
        if error.sender is not None:
            return IcmpNotice(
                sender=str(error.sender), type=error.type, code=error.code, prohibited=error.prohibited
            )
    return None


def _parse(data: bytes, packet: bytes, family: socket.AddressFamily) -> QueuedError | None:
    if len(data) < _EXTENDED_ERROR.size:
        return None
    number, origin, kind, code, _, info, _ = _EXTENDED_ERROR.unpack_from(data)
    if origin not in {_FROM_HERE, _FROM_ICMP, _FROM_ICMP6}:
        return None
    offender = data[_EXTENDED_ERROR.size :]
    sender = None if origin == _FROM_HERE else _sender(offender)
    return QueuedError(
        errno=number, family=family, sender=sender, type=kind, code=code, mtu=info, packet=packet
    )


def _sender(offender: bytes) -> IpAddress | None:
    """The address in a sockaddr_in or sockaddr_in6 (SO_EE_OFFENDER)."""
    family = int.from_bytes(offender[:2], sys.byteorder)
    if family == socket.AF_INET and len(offender) >= 8:
        return ipaddress.IPv4Address(offender[4:8])
    if family == socket.AF_INET6 and len(offender) >= 24:
        return ipaddress.IPv6Address(offender[8:24])
    return None
