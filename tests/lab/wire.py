"""A wide-area network between two machines of the lab, in user space: `python -m tests.lab.wire NS_A NS_B`.

The kernels that we meet in CI have no netem. One TUN device stands in each namespace and this process carries the
packets from one to the other, late, seldom, slowly or not at all. It says `ready` on standard output, then takes a
line of JSON (`Line`) from standard input for each change, answers `ok`, and ends with its standard input.
"""

import fcntl
import heapq
import os
import random
import select
import struct
import sys
import time
from collections import deque
from typing import Final

import msgspec

from tests.lab.topology import WAN, inside

_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000  # linux/if_tun.h
_LARGEST: Final = 65_536
_AT_A_TIME: Final = 64  # packets from one side before the other one has its turn
_TCP, _UDP, _ICMP, _ICMP6 = 6, 17, 1, 58
_ICMP_SHARE: Final = 1_232  # of a packet in an ICMPv6 error: the error fits into 1,280 bytes (RFC 4443 2.4)


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """What one direction does to packets.

    Attributes:
        loss: share of packets that vanish, 0 to 1.
        burst: mean length of a row of lost packets; 1 loses each one for itself.
        delay_ms, jitter_ms: mean and standard deviation. Packets stay in order.
        rate_kbit: 0 is as fast as this process; `queue_kb` waits for it, what comes then is lost.
        mtu: longer packets vanish; 0 for none. With `tells` their sender hears of it by ICMP.
        cut: nothing passes.
        port: only packets of TCP or UDP from or to this port; None is all packets.
    """

    loss: float = 0.0
    burst: float = 1.0
    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    rate_kbit: float = 0.0
    queue_kb: float = 64.0
    mtu: int = 0
    tells: bool = False
    cut: bool = False
    port: int | None = None


class Both(msgspec.Struct, frozen=True, kw_only=True):
    """`out` leads from the first namespace to the second one, `back` the other way."""

    out: Line = Line()
    back: Line = Line()


class _Direction:
    def __init__(self, source: int, sink: int, chance: random.Random) -> None:
        self.line = Line()
        self._source = source
        self._sink = sink
        self._chance = chance
        self._late: list[tuple[float, int, bytes]] = []
        self._count = 0
        self._queued: deque[float] = deque()
        self._free_at = 0.0
        self._last_at = 0.0
        self._losing = False

    def next_due(self) -> float | None:
        return self._late[0][0] if self._late else None

    def deliver(self, now: float) -> None:
        while self._late and self._late[0][0] <= now:
            _write(self._sink, heapq.heappop(self._late)[2])

    def read(self) -> None:
        for _ in range(_AT_A_TIME):
            try:
                packet = os.read(self._source, _LARGEST)
            except (BlockingIOError, OSError):
                return
            self._take(packet, time.monotonic())

    def _take(self, packet: bytes, now: float) -> None:
        line = self.line
        if line.port is not None and line.port not in _ports(packet):
            _write(self._sink, packet)
            return
        if line.cut:
            return
        if line.mtu and len(packet) > line.mtu:
            if line.tells:
                _write(self._source, too_big(packet, line.mtu))
            return
        if self._lost():
            return
        at = now
        if line.rate_kbit:
            begins = max(now, self._free_at)
            if (begins - now) * line.rate_kbit / 8 > line.queue_kb:
                return
            at = self._free_at = begins + len(packet) * 8 / (line.rate_kbit * 1000)
        if line.delay_ms or line.jitter_ms:
            at += max(0.0, self._chance.gauss(line.delay_ms, line.jitter_ms)) / 1000
        at = self._last_at = max(at, self._last_at)
        if at <= now and not self._late:
            _write(self._sink, packet)
        else:
            self._count += 1
            heapq.heappush(self._late, (at, self._count, packet))

    def _lost(self) -> bool:
        """Two states (Gilbert): a row of losses ends with probability 1/burst, and begins so that `loss` comes out."""
        loss, burst = self.line.loss, self.line.burst
        if not loss:
            return False
        if burst <= 1:
            return self._chance.random() < loss
        ends = 1 / burst
        begins = min(1.0, ends * loss / (1 - loss)) if loss < 1 else 1.0
        self._losing = self._chance.random() >= ends if self._losing else self._chance.random() < begins
        return self._losing


def _write(tun: int, packet: bytes) -> None:
    try:
        os.write(tun, packet)
    except OSError:
        return  # the interface is down, or its queue is full: the packet is lost, as on any network


def _ports(packet: bytes) -> tuple[int, ...]:
    """Source and destination of a TCP segment or UDP datagram, else nothing. Later fragments carry none."""
    if packet[0] >> 4 == 4:
        protocol, start = packet[9], (packet[0] & 15) * 4
        if struct.unpack_from("!H", packet, 6)[0] & 0x1FFF:
            return ()
    else:
        protocol, start = packet[6], 40
    if protocol not in (_TCP, _UDP) or len(packet) < start + 4:
        return ()
    return struct.unpack_from("!HH", packet, start)


def too_big(packet: bytes, mtu: int) -> bytes:
    """What a router says of a packet that is too long: RFC 792 with RFC 1191, RFC 4443 3.2. Sent in its target's name."""
    if packet[0] >> 4 == 4:
        said = struct.pack("!BBHHH", 3, 4, 0, 0, mtu) + packet[: (packet[0] & 15) * 4 + 8]
        said = said[:2] + _checksum(said) + said[4:]
        head = struct.pack(
            "!BBHHHBBH4s4s", 0x45, 0, 20 + len(said), 0, 0, 64, _ICMP, 0, packet[16:20], packet[12:16]
        )
        return head[:10] + _checksum(head) + head[12:] + said
    said = struct.pack("!BBHI", 2, 0, 0, mtu) + packet[:_ICMP_SHARE]
    addresses = packet[24:40] + packet[8:24]
    said = said[:2] + _checksum(addresses + struct.pack("!II", len(said), _ICMP6) + said) + said[4:]
    return struct.pack("!IHBB", 6 << 28, len(said), _ICMP6, 64) + addresses + said


def _checksum(data: bytes) -> bytes:
    """RFC 1071."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!H", ~total & 0xFFFF)


def _tun(namespace: str) -> int:
    if sys.platform == "win32":
        raise OSError("namespaces are Linux")
    with inside(namespace):
        tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(tun, _TUNSETIFF, struct.pack("16sH22x", WAN.encode(), _IFF_TUN | _IFF_NO_PI))
    return tun


def main(first: str, second: str, seed: str = "1") -> None:
    if sys.platform == "win32":
        raise OSError("namespaces are Linux")
    a, b = _tun(first), _tun(second)
    chance = random.Random(int(seed))
    out, back = _Direction(a, b, chance), _Direction(b, a, chance)
    poll = select.poll()
    for descriptor in (0, a, b):
        poll.register(descriptor, select.POLLIN)
    print("ready", flush=True)
    while True:
        dues = [due for due in (out.next_due(), back.next_due()) if due is not None]
        wait = None if not dues else max(0.0, (min(dues) - time.monotonic()) * 1000)
        for descriptor, _ in poll.poll(wait):
            if descriptor == a:
                out.read()
            elif descriptor == b:
                back.read()
            else:
                text = sys.stdin.buffer.readline()
                if not text:
                    return
                both = msgspec.json.decode(text, type=Both)
                out.line, back.line = both.out, both.back
                print("ok", flush=True)
        now = time.monotonic()
        out.deliver(now)
        back.deliver(now)


if __name__ == "__main__":
    main(*sys.argv[1:])
