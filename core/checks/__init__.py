"""The checks, one file each, in the fixed order of the panel.

To add one: its file here, its line in ALL, its words in the catalogue, its test.
"""

from typing import Any

from core.check import Check
from core.checks import (
    certificate,
    clock,
    firewall,
    gateway,
    mtu,
    names,
    negotiate,
    network,
    nla,
    presence,
    quality,
    reach,
    route,
    session,
    tls,
    udp,
    vpn,
)

ALL: tuple[Check[Any], ...] = (
    network.CHECK,
    names.CHECK,
    route.CHECK,
    vpn.CHECK,
    firewall.CHECK,
    clock.CHECK,
    reach.CHECK,
    presence.CHECK,
    negotiate.CHECK,
    tls.CHECK,
    certificate.CHECK,
    nla.CHECK,
    session.CHECK,
    mtu.CHECK,
    udp.CHECK,
    gateway.CHECK,
    quality.CHECK,
)
