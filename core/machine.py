"""Which adapters answer on this system."""

import sys

from core.ports import Machine, Unsupported


def this_machine() -> Machine:
    """The PC that the program runs on. Raises Unsupported on a system that it does not know."""
    # Imported here: the adapters of one system cannot even be loaded on another.
    if sys.platform == "linux":
        from core.linux.machine import LinuxMachine  # noqa: PLC0415

        return LinuxMachine()
    if sys.platform == "win32":
        from core.windows.machine import WindowsMachine  # noqa: PLC0415

        return WindowsMachine()
    raise Unsupported(f"no adapters for {sys.platform}")
