"""What every implementation of `core.ports.Clock` keeps."""

from datetime import timedelta

import pytest

from core.machine import this_machine
from core.ports import Clock, Denied, Unsupported
from tests.support.fakes import FakeClock


@pytest.fixture(params=["fake", "this machine"])
def clock(request) -> Clock:
    return FakeClock() if request.param == "fake" else this_machine().clock


def test_the_time_is_utc_and_does_not_go_back(clock):
    first = clock.now()
    assert first.utcoffset() == timedelta(0)
    assert clock.now() >= first


def test_an_error_is_estimated_only_of_a_clock_that_is_kept(clock):
    try:
        state = clock.state()
    except (Denied, Unsupported) as reason:
        pytest.skip(str(reason))
    assert state.synchronised or state.estimated_error_ms is None
    assert (state.estimated_error_ms or 0) >= 0
