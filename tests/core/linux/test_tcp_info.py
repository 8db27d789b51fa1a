"""The numbers of a connection, recorded and real."""

import socket
import struct
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

if sys.platform != "linux":
    pytest.skip("the adapters ask Linux", allow_module_level=True)

from core.linux import error_queue, tcp_info
from core.ports import TcpInfo
from tests.support.namespace import in_namespace

# getsockopt(TCP_INFO) of Linux 6.18 right after a connect on the loopback.
RECORDED = bytes.fromhex(
    "010000000007aa01400d030000000000e57f000018020000000000000000000000000000000000000000000000000000"
    "000000000000000000000000ffff0000d7ff00002600000013000000ffffff7f0a000000cbff00000300000000000000"
    "d7ff000000000000db2fabbb05000000ffffffffffffffff010000000000000000000000000000000200000001000000"
    "000000002600000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
    "010000000000000000000000000000000000000000000000000000000000000000000000cbff00000000010000000000"
    "00000000000000000000000000000000"
)


def changed(**offsets: int) -> bytes:
    """The recorded bytes with 32-bit fields replaced: `at_68=5` writes 5 at offset 68."""
    data = bytearray(RECORDED)
    for name, value in offsets.items():
        struct.pack_into("=I", data, int(name.removeprefix("at_")), value)
    return bytes(data)


def test_a_fresh_connection():
    assert tcp_info.parse(RECORDED) == TcpInfo(
        rtt_ms=0.038, rtt_var_ms=0.019, min_rtt_ms=0.038, send_mss=32_741, receive_mss=None, path_mtu=65_535
    )


def test_until_data_has_gone_out_all_that_was_sent_again_are_syns():
    fresh = tcp_info.parse(changed(at_100=2))
    assert fresh is not None
    assert (fresh.syn_retransmits, fresh.retransmits) == (2, 0)
    later = tcp_info.parse(changed(at_100=2, at_156=1))
    assert later is not None
    assert (later.syn_retransmits, later.retransmits) == (0, 2)


def test_the_receive_mss_means_something_once_data_came_in():
    later = tcp_info.parse(changed(at_152=1))
    assert later is not None
    assert later.receive_mss == 536


def test_an_old_kernel_tells_less():
    old = tcp_info.parse(RECORDED[:104])
    assert old is not None
    assert old.min_rtt_ms is None
    assert old.path_mtu == 65_535
    assert tcp_info.parse(RECORDED[:68]) is None


def test_without_a_measurement_there_is_nothing():
    assert tcp_info.parse(changed(at_68=0)) is None
    info = tcp_info.parse(changed(at_148=0xFFFF_FFFF))
    assert info is not None
    assert info.min_rtt_ms is None


@given(st.binary(max_size=260))
def test_any_bytes_are_read(data):
    info = tcp_info.parse(data)
    assert info is None or info.rtt_ms > 0


def nft(rule: str) -> str:
    return f"nft 'add table inet t; add chain inet t i {{ type filter hook input priority 0; }}; add rule inet t i {rule}'\n"


@in_namespace(nft("tcp dport 3389 tcp flags syn numgen inc mod 2 0 drop"))
def test_a_lost_syn_is_counted() -> None:
    with (
        socket.create_server(("127.0.0.1", 3389)) as server,
        socket.create_connection(server.getsockname()) as sock,
    ):
        info = tcp_info.read(sock)
        assert info is not None
        assert (info.syn_retransmits, info.retransmits) == (1, 0)


@in_namespace(
    nft("tcp dport 1 reject with icmpx admin-prohibited")
    + "nft add rule inet t i tcp dport 2 reject with icmpx host-unreachable\n"
    + "nft add rule inet t i tcp dport 3 reject with icmpx port-unreachable\n"
    + "nft add rule inet t i tcp dport 4 reject with tcp reset\n"
    + "ip address add 192.0.2.7/32 dev lo\nip address add 2001:db8::7/128 dev lo nodad\n"
)
def test_the_icmp_error_behind_a_failed_connect() -> None:
    def notice(address: str, port: int) -> tuple[str, int, int, bool] | None:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as sock:
            error_queue.watch(sock)
            sock.settimeout(0.1)  # the error may come too early for connect(), but it is in the queue
            assert sock.connect_ex((address, port))
            sock.setblocking(False)
            found = error_queue.icmp_notice(sock)
            return None if found is None else (found.sender, found.type, found.code, found.prohibited)

    assert notice("192.0.2.7", 1) == ("192.0.2.7", 3, 13, True)
    assert notice("192.0.2.7", 2) == ("192.0.2.7", 3, 1, False)
    assert notice("192.0.2.7", 3) == ("192.0.2.7", 3, 3, False)
    assert notice("192.0.2.7", 4) is None
    assert notice("2001:db8::7", 1) == ("2001:db8::7", 1, 1, True)
    assert notice("2001:db8::7", 2) == ("2001:db8::7", 1, 3, False)
    assert notice("2001:db8::7", 3) == ("2001:db8::7", 1, 4, False)
    assert notice("2001:db8::7", 4) is None


@in_namespace(
    nft("tcp dport 3389 ct state established meta length 61-200 reject with icmpx host-unreachable")
)
def test_only_a_watched_connection_breaks_at_an_icmp_error() -> None:
    for watched in (True, False):
        with socket.create_server(("127.0.0.1", 3389)) as server, socket.socket() as sock:
            error_queue.watch(sock)
            sock.connect(server.getsockname())
            error_queue.watch(sock, on=watched)
            sock.settimeout(0.3)
            sock.sendall(bytes(100))
            # OSError: the host is unreachable. TimeoutError: no answer yet, and none expected.
            with pytest.raises(OSError, match="No route to host" if watched else "timed out"):
                sock.recv(1)
