"""resolv.conf and the hosts file, whoever wrote them."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.linux.names import LinuxNames, parse_hosts, parse_resolv_conf
from core.ports import HostsLine, NameServer, NameSettings, ResolveFailure
from tests.support.namespace import in_namespace


def settings(*servers: str, search: tuple[str, ...] = ()) -> NameSettings:
    return NameSettings(servers=tuple(NameServer(address=server) for server in servers), search=search)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", settings()),
        ("nameserver 192.0.2.1\n", settings("192.0.2.1")),
        ("\tnameserver\t192.0.2.1  \nnameserver 2001:db8::1", settings("192.0.2.1", "2001:db8::1")),
        ("# nameserver 192.0.2.1\n;nameserver 192.0.2.2\n", settings()),
        ("nameserver 192.0.2.1 # not a comment to glibc\n", settings("192.0.2.1")),
        ("nameserver dns.example\nnameserver\nnameserver 300.1.1.1\n", settings()),
        (
            "".join(f"nameserver 192.0.2.{n}\n" for n in range(1, 9)),
            settings("192.0.2.1", "192.0.2.2", "192.0.2.3"),
        ),
        ("search a.example b.example\n", settings(search=("a.example", "b.example"))),
        ("domain a.example\nsearch b.example c.example\n", settings(search=("b.example", "c.example"))),
        ("search b.example c.example\ndomain a.example\n", settings(search=("a.example",))),
        ("options ndots:5\nNameserver 192.0.2.1\n", settings()),
        ("nameserver 192.0.2.1\r\n", settings("192.0.2.1")),
    ],
)
def test_resolv_conf(text, expected):
    assert parse_resolv_conf(text) == expected


def test_a_server_on_the_link_names_its_interface():
    assert parse_resolv_conf("nameserver fe80::1%eth0").servers == (
        NameServer(address="fe80::1%eth0", interface="eth0"),
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("127.0.0.1 localhost", [HostsLine("127.0.0.1", "localhost", 1)]),
        (
            "# hello\n\n192.0.2.7\tpc.office.example  pc # the old one\n",
            [HostsLine("192.0.2.7", "pc.office.example", 3), HostsLine("192.0.2.7", "pc", 3)],
        ),
        ("#192.0.2.7 pc\n192.0.2.8\nnonsense pc\n192.0.2.300 pc\n", []),
        ("fe80::1%eth0 router\r\n", [HostsLine("fe80::1%eth0", "router", 1)]),
        # Only a line feed ends a line.
        ("192.0.2.7 a\x0b\x0cb\u2028c", [HostsLine("192.0.2.7", name, 1) for name in "abc"]),
    ],
)
def test_hosts(text, expected):
    assert list(parse_hosts(text)) == expected


@given(st.text())
def test_any_text_is_read(text):
    assert isinstance(parse_resolv_conf(text), NameSettings)
    assert all(isinstance(line, HostsLine) for line in parse_hosts(text))


@given(
    st.lists(st.sampled_from(["nameserver", "search", "192.0.2.1", "::1", "x", "#", "\n", " "])).map(" ".join)
)
def test_any_likely_text_is_read(text):
    assert len(parse_resolv_conf(text).servers) <= 3
    assert all(line.name not in {"", "#"} for line in parse_hosts(text))


def names(folder: Path, **files: str | bytes) -> LinuxNames:
    """Files that are not given do not exist."""
    for name, content in files.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return LinuxNames(
        resolv_conf=folder / "resolv_conf",
        resolved_conf=folder / "resolved_conf",
        hosts_file=folder / "hosts",
    )


def test_a_pc_without_the_files_has_nothing_to_tell(tmp_path):
    assert asyncio.run(names(tmp_path).settings()) == settings()
    assert asyncio.run(names(tmp_path).hosts()) == ()


def test_behind_the_stub_of_systemd_stand_the_real_servers(tmp_path):
    stub = "nameserver 127.0.0.53\nsearch office.example\n"
    assert asyncio.run(names(tmp_path, resolv_conf=stub).settings()) == settings(
        "127.0.0.53", search=("office.example",)
    )
    there = names(tmp_path, resolv_conf=stub, resolved_conf="nameserver 192.0.2.1\nnameserver 192.0.2.2\n")
    assert asyncio.run(there.settings()) == settings("192.0.2.1", "192.0.2.2", search=("office.example",))
    other = names(tmp_path, resolv_conf="nameserver 192.0.2.9\n", resolved_conf="nameserver 192.0.2.1\n")
    assert asyncio.run(other.settings()) == settings("192.0.2.9")


def test_a_huge_hosts_file_is_read_up_to_a_whole_line(tmp_path):
    line = b"0.0.0.0 advertiser.example\n"
    lines = asyncio.run(names(tmp_path, hosts=line * 60_000).hosts())
    assert len(lines) == 1_000_000 // len(line)
    assert {one.name for one in lines} == {"advertiser.example"}
    assert asyncio.run(names(tmp_path, hosts=b"0" * 2_000_000).hosts()) == ()


def test_bytes_that_are_no_text_hide_no_other_line(tmp_path):
    lines = asyncio.run(names(tmp_path, hosts=b"192.0.2.7 \xff\xfe\n192.0.2.8 pc\n").hosts())
    assert lines[-1] == HostsLine("192.0.2.8", "pc", 2)


# A name server that answers with the response code that the name asks for.
SERVER = """
import socket, struct
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 53))
print("ready", flush=True)
while True:
    query, client = server.recvfrom(4096)
    label = query[13 : 13 + query[12]].decode()
    end = query.index(0, 12) + 5
    if label.startswith("rcode"):
        header = query[:2] + struct.pack(">5H", 0x8180 | int(label[5:]), 1, 0, 0, 0)
        server.sendto(header + query[12:end], client)
"""


@in_namespace(
    """
printf 'nameserver 127.0.0.1\\noptions timeout:5 attempts:1\\n' > /run/resolv.conf
mount --bind /run/resolv.conf /etc/resolv.conf
"""
)
def test_the_failures_of_a_real_resolver_are_sorted_by_meaning() -> None:
    server = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE)
    with server:
        assert server.stdout is not None
        assert server.stdout.readline() == b"ready\n"
        for name, failure in {
            "rcode0.test": ResolveFailure.NO_ADDRESS,
            "rcode2.test": ResolveFailure.TRY_AGAIN,  # SERVFAIL
            "rcode3.test": ResolveFailure.NOT_FOUND,  # NXDOMAIN
            "rcode5.test": ResolveFailure.TRY_AGAIN,  # REFUSED: glibc does not tell it from SERVFAIL
            "silent.test": ResolveFailure.SILENT,
        }.items():
            resolution = asyncio.run(LinuxNames().resolve(name, timeout=0.3))
            assert (resolution.failure, resolution.addresses) == (failure, ()), name
            assert resolution.detail
        server.kill()
