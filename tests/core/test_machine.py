"""The machine that the program runs on."""

import subprocess
import sys

import pytest

from core.machine import this_machine
from core.ports import Machine

HEAVY = ("pyroute2", "psutil")


def test_the_system_decides():
    machine: Machine = this_machine()
    assert machine.platform == {"linux": "linux", "win32": "windows"}[sys.platform]
    assert machine.clock.now().year >= 2026


@pytest.mark.skipif(sys.platform != "linux", reason="the packages are those of Linux")
def test_what_is_slow_to_import_waits_until_it_is_needed():
    code = (
        "import asyncio, sys; from core.machine import this_machine; machine = this_machine();"
        f"assert not set({HEAVY}) & set(sys.modules);"
        "asyncio.run(machine.net.routes());"
        "assert 'pyroute2' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
