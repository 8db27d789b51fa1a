"""This PC, when it runs Linux."""

import sys

if sys.platform != "linux":
    raise ImportError("asks Linux")

from dataclasses import dataclass, field

from core.linux.clock import LinuxClock
from core.linux.firewall import LinuxFirewall
from core.linux.names import LinuxNames
from core.linux.net import LinuxNet


@dataclass(frozen=True, slots=True, kw_only=True)
class LinuxMachine:
    """Implements `core.ports.Machine`. Making one asks nothing; what costs time to import waits for its first use."""

    platform: str = "linux"
    names: LinuxNames = field(default_factory=LinuxNames)
    net: LinuxNet = field(default_factory=LinuxNet)
    firewall: LinuxFirewall = field(default_factory=LinuxFirewall)
    clock: LinuxClock = field(default_factory=LinuxClock)
