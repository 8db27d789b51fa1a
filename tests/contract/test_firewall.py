"""What every implementation of `core.ports.Firewall` keeps."""

import asyncio
from ipaddress import ip_address

import pytest

from core.machine import this_machine
from core.ports import Block, Denied, Unsupported
from tests.support.fakes import FakeFirewall


@pytest.mark.parametrize("address", ["192.0.2.7", "2001:db8::7"])
@pytest.mark.parametrize("interface", [None, "lo", "no-such-interface"])
@pytest.mark.parametrize(
    "make", [FakeFirewall, lambda: this_machine().firewall], ids=["fake", "this machine"]
)
def test_there_is_an_answer_or_a_reason(make, address, interface):
    try:
        answer = asyncio.run(make().outgoing_tcp(ip_address(address), 3389, interface=interface))
    except (Denied, Unsupported) as reason:
        pytest.skip(str(reason))
    assert isinstance(answer.block, Block)
    assert (answer.rule is None) or answer.block is not Block.PASSES
    assert len(answer.rule or "") <= 200
