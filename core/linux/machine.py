"""This PC, when it runs Linux."""

import sys

if sys.platform != "linux":
    raise ImportError("asks Linux")


import msgspec

from core.linux.clock import LinuxClock
from core.linux.firewall import LinuxFirewall
from core.linux.names import LinuxNames
from core.linux.net import LinuxNet


class LinuxMachine(msgspec.Struct, frozen=True, kw_only=True):
    """Implements `core.ports.Machine`. Making one asks nothing; what costs time to import waits for its first use."""

    platform: str = "linux"
    names: LinuxNames = msgspec.field(default_factory=LinuxNames)
    net: LinuxNet = msgspec.field(default_factory=LinuxNet)
    firewall: LinuxFirewall = msgspec.field(default_factory=LinuxFirewall)
    clock: LinuxClock = msgspec.field(default_factory=LinuxClock)
