"""What every implementation of `core.ports.Names` keeps."""

import asyncio

import pytest

from core.machine import this_machine
from core.ports import ResolveFailure, Unsupported
from core.windows.machine import WindowsNames
from tests.support.fakes import FakeNames

HERE = [FakeNames, lambda: this_machine().names]


# The names of Windows are asked portably, so they answer here too.
@pytest.fixture(params=[*HERE, WindowsNames], ids=["fake", "this machine", "windows"])
def names(request):
    return request.param()


def test_localhost_is_loopback(names):
    resolution = asyncio.run(names.resolve("localhost", timeout=5))
    assert resolution.name == "localhost"
    assert resolution.failure is None
    assert {"127.0.0.1", "::1"} & set(resolution.addresses)


def test_an_address_stands_for_itself(names):
    for address in ("127.0.0.1", "192.0.2.7", "2001:db8::7"):
        resolution = asyncio.run(names.resolve(address, timeout=5))
        assert resolution.addresses == (address,)
        assert resolution.failure is None


# None of them is a name that could go out to a name server.
@pytest.mark.parametrize("name", ["", "a..b", "x" * 64 + ".test", "\ud800"])
def test_what_is_no_name_is_an_answer_and_no_error(names, name):
    resolution = asyncio.run(names.resolve(name, timeout=5))
    assert resolution.addresses == ()
    assert resolution.failure is ResolveFailure.NOT_FOUND


def test_an_answer_has_addresses_or_a_failure_and_a_duration(names):
    for name in ("localhost", "a..b"):
        resolution = asyncio.run(names.resolve(name, timeout=5))
        assert bool(resolution.addresses) != (resolution.failure is not None)
        assert 0 <= resolution.took_ms < 5000


@pytest.mark.parametrize("make", HERE, ids=["fake", "this machine"])
def test_the_hosts_file_knows_localhost(make):
    try:
        hosts = asyncio.run(make().hosts())
    except Unsupported as reason:
        pytest.skip(str(reason))
    assert "localhost" in {line.name for line in hosts}
    assert all(line.line >= 1 for line in hosts)
    assert [line.line for line in hosts] == sorted(line.line for line in hosts)
