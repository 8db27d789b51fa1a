"""RDP-UDP: does the server answer a SYN on UDP? (MS-RDPEUDP 3.1.5.1)

A connected blocking socket in a thread: asyncio's Proactor loop swallows "port unreachable" (CPython issue 91227).
The answer is never answered, so the server forgets about us.
"""

import errno
import secrets
import socket
import time
from enum import StrEnum

import msgspec

from core import blocking
from core.probes.dialer import sockaddr
from core.wire import rdpudp
from core.wire.errors import WireError

TRIES = 3  # as Windows does (MS-RDPEUDP 3.1.6.1), only closer together


class UdpOutcome(StrEnum):
    OPEN = "open"
    CLOSED = "closed"
    PROHIBITED = "prohibited"
    BLOCKED_HERE = "blocked-here"
    SILENT = "silent"
    OTHER = "other"


class UdpFact(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to up to TRIES SYNs. `version` is the highest RDP-UDP version the server names."""

    outcome: UdpOutcome
    took_ms: float
    sent: int
    version: int | None = None
    error: int | None = None


async def ask(address: str, port: int, *, wait: float) -> UdpFact:
    """Send a SYN up to TRIES times, `wait` seconds apart."""
    return await blocking.call(lambda: _ask(address, port, wait), name="rdp-udp")


def _ask(address: str, port: int, wait: float) -> UdpFact:
    started = time.perf_counter()
    sequence = secrets.randbits(32)
    sent = 0

    def fact(outcome: UdpOutcome, version: int | None = None, error: int | None = None) -> UdpFact:
        took = round((time.perf_counter() - started) * 1000, 2)
        return UdpFact(outcome=outcome, took_ms=took, sent=sent, version=version, error=error)

    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(sockaddr(address, port))
            for _ in range(TRIES):
                sent += 1
                sock.send(rdpudp.syn(sequence))
                answer = _listen(sock, sequence, time.perf_counter() + wait)
                if answer is not None:
                    return fact(UdpOutcome.OPEN, version=answer.version)
        except (ConnectionRefusedError, ConnectionResetError):
            return fact(UdpOutcome.CLOSED)
        except PermissionError as blocked:
            return fact(UdpOutcome.BLOCKED_HERE, error=blocked.errno)
        except OSError as failed:
            outcome = UdpOutcome.PROHIBITED if failed.errno == errno.EHOSTUNREACH else UdpOutcome.OTHER
            return fact(outcome, error=failed.errno)
    return fact(UdpOutcome.SILENT)


def _listen(sock: socket.socket, sequence: int, until: float) -> rdpudp.SynAck | None:
    """The answer to our SYN; strangers' datagrams are passed over, but do not buy more time."""
    while (left := until - time.perf_counter()) > 0:
        sock.settimeout(left)
        try:
            return rdpudp.parse_answer(sock.recv(2048), sequence)
        except TimeoutError:
            return None
        except WireError:
            continue
    return None
