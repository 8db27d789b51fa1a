"""The adapter against the real nft, and our reading of rules against the kernel's."""

import asyncio
import os
import runpy
import socket
import stat
import subprocess
import sys
from ipaddress import ip_address
from pathlib import Path

import pytest

if sys.platform != "linux":
    pytest.skip("the adapters ask Linux", allow_module_level=True)

from core.linux import error_queue
from core.linux.firewall import LinuxFirewall
from core.ports import Block, Denied, OutgoingAnswer, Unsupported
from tests.support.namespace import in_namespace

RULES = Path(__file__).resolve().parents[2] / "data" / "nft"
PORTS = (22, 80, 443, 3389, 5000, 8080)

# A second machine that has every address and takes every connection, behind a cable and a tunnel.
EVERYBODY = """
ip netns add far
for name in c0 wg0; do
    ip link add $name type veth peer name far-$name netns far
    ip link set $name up
    ip -n far link set far-$name up
done
ip address add 192.0.2.50/25 dev c0
ip address add 2001:db8::50/64 dev c0 nodad
ip address add 192.0.2.150/25 dev wg0
ip -n far address add 192.0.2.1/25 dev far-c0
ip -n far address add 2001:db8::1/64 dev far-c0 nodad
ip -n far address add 192.0.2.129/25 dev far-wg0
ip route add default via 192.0.2.1
ip route add 198.51.100.0/24 via 192.0.2.129
ip route add default via 2001:db8::1
ip -n far link set lo up
ip -n far route add local 198.51.100.0/24 dev lo
ip -n far route add local 203.0.113.0/24 dev lo
ip -n far route add local 2001:db8:1::/48 dev lo
ip -n far route add local 2001:db8:2::/48 dev lo
"""
SERVER = f"""
import socket, sys
servers = [socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True) for port in {PORTS}]
print("ready", flush=True)
sys.stdin.read()
"""


def ask(
    address: str, port: int, interface: str | None, firewall: LinuxFirewall | None = None
) -> OutgoingAnswer:
    return asyncio.run(
        (firewall or LinuxFirewall()).outgoing_tcp(ip_address(address), port, interface=interface)
    )


def nft(rules: str) -> None:
    subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)


def what_happens(address: str, port: int) -> Block:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as sock:
        error_queue.watch(sock)
        sock.settimeout(0.1)
        try:
            sock.connect((address, port))
        except TimeoutError:
            sock.setblocking(False)
            # The kernel leaves an error that comes while it is still busy with connect() to the next SYN's.
            return Block.REJECTED if error_queue.icmp_notice(sock) else Block.DROPPED
        except OSError:
            return Block.REJECTED
        return Block.PASSES


@in_namespace(EVERYBODY)
def test_the_kernel_does_what_we_read_in_the_rules() -> None:
    cases = runpy.run_path(str(Path(__file__).with_name("test_nft_rules.py")))["CASES"]
    server = subprocess.Popen(
        ["ip", "netns", "exec", "far", sys.executable, "-c", SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with server:
        assert server.stdout is not None
        assert server.stdout.readline() == b"ready\n"
        seen = 0
        for rules in sorted(RULES.glob("*.nft")):
            nft(rules.read_text(encoding="utf-8"))
            for _, address, port, interface, block, _ in (c for c in cases if c[0] == rules.stem):
                if interface in {"c0", "wg0"} and block is not Block.UNCLEAR:
                    assert ask(address, port, interface).block is block, (rules.stem, address, port)
                    assert what_happens(address, port) is block, (rules.stem, address, port)
                    seen += 1
            nft("flush ruleset")
        server.communicate()
    assert seen > 25


@in_namespace()
def test_the_answer_quotes_the_rule() -> None:
    assert ask("192.0.2.7", 3389, "eth0") == OutgoingAnswer(block=Block.PASSES)
    nft(
        "table inet office {\nchain out {\ntype filter hook output priority 0; policy drop\n"
        'ip daddr 192.0.2.0/24 tcp dport 3389 counter packets 0 bytes 0 reject comment "no remote desktop"\n}\n}\n'
    )
    assert ask("192.0.2.7", 3389, "eth0") == OutgoingAnswer(
        block=Block.REJECTED,
        rule="ip daddr 192.0.2.0/24 tcp dport 3389 counter packets 0 bytes 0"
        ' reject with icmp port-unreachable comment "no remote desktop"',
        place="inet office out",
    )
    assert ask("198.51.100.7", 3389, None) == OutgoingAnswer(
        block=Block.DROPPED, rule="policy drop", place="inet office out"
    )


@in_namespace()
def test_the_rules_are_for_root() -> None:
    os.setgid(65_534)
    os.setuid(65_534)
    with pytest.raises(Denied, match="not permitted"):
        ask("192.0.2.7", 3389, "eth0")


def script(folder: Path, text: str) -> LinuxFirewall:
    file = folder / "nft"
    file.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    file.chmod(stat.S_IRWXU)
    return LinuxFirewall(path=str(folder))


def test_without_nft_it_is_unsupported(tmp_path):
    with pytest.raises(Unsupported, match="not installed"):
        ask("192.0.2.7", 3389, None, LinuxFirewall(path=str(tmp_path)))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("echo 'no such kernel' >&2; exit 1", "nft: no such kernel"),
        ("echo nonsense", "not JSON"),
        ("head -c 100000 /dev/zero | tr '\\0' '['", "not JSON"),
    ],
)
def test_what_nft_cannot_say_is_unsupported(tmp_path, text, says):
    with pytest.raises(Unsupported, match=says):
        ask("192.0.2.7", 3389, None, script(tmp_path, text))


def test_an_nft_that_hangs_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr("core.linux.firewall._DEADLINE", 0.2)
    firewall = script(tmp_path, f"echo $$ > {tmp_path}/pid; exec sleep 60")
    with pytest.raises(Unsupported, match="did not finish"):
        ask("192.0.2.7", 3389, None, firewall)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
