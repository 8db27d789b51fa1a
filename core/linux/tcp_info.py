"""The kernel's view of a TCP connection (tcp(7) "TCP_INFO", struct tcp_info in linux/tcp.h)."""

import sys

if sys.platform != "linux":
    raise ImportError("asks Linux")

import socket
import struct

from core.ports import TcpInfo

_ROOM = 256

# Offsets in struct tcp_info. The kernel appends fields and never moves one; an old kernel answers with fewer bytes.
_SND_MSS, _RCV_MSS, _PMTU, _RTT, _RTTVAR, _TOTAL_RETRANS = 16, 20, 60, 68, 72, 100
_MIN_RTT, _DATA_SEGS_IN, _DATA_SEGS_OUT = 148, 152, 156  # since Linux 4.6
_NEVER_MEASURED = 0xFFFF_FFFF


def read(sock: socket.socket) -> TcpInfo | None:
    """The numbers of the connection; None for a closed socket and one that never connected.

    The kernel has one counter for everything that was sent again. While no data has gone out it can only
    have counted SYNs; later it stands under `retransmits`, SYNs included.
    """
    try:
        data = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _ROOM)
    except OSError:
        return None
    return parse(data)


def parse(data: bytes) -> TcpInfo | None:
    rtt = _field(data, _RTT)
    if not rtt:
        return None
    again = _field(data, _TOTAL_RETRANS) or 0
    only_syn = _field(data, _DATA_SEGS_OUT) == 0
    min_rtt = _field(data, _MIN_RTT)
    return TcpInfo(
        rtt_ms=rtt / 1000,
        rtt_var_ms=_milliseconds(_field(data, _RTTVAR)),
        min_rtt_ms=None if min_rtt == _NEVER_MEASURED else _milliseconds(min_rtt),
        retransmits=0 if only_syn else again,
        syn_retransmits=again if only_syn else 0,
        send_mss=_field(data, _SND_MSS),
        # An estimate from what came in; before that, a number that stands for nothing.
        receive_mss=None if _field(data, _DATA_SEGS_IN) == 0 else _field(data, _RCV_MSS),
        path_mtu=_field(data, _PMTU),
    )


def _field(data: bytes, offset: int) -> int | None:
    return struct.unpack_from("=I", data, offset)[0] if len(data) >= offset + 4 else None


def _milliseconds(microseconds: int | None) -> float | None:
    return None if microseconds is None else microseconds / 1000
