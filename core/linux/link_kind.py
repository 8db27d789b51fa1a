"""What kind of link a network interface is, from what the kernel says about it."""

import re

import msgspec

from core.ports import LinkKind

# IFLA_INFO_KIND: the driver behind a link that is not a piece of hardware (`ip -details link`).
_VPN = frozenset({"ipsec", "ovpn", "ppp", "tun", "vti", "vti6", "wireguard", "xfrm"})
# They stand for the cable under them; in a container veth is the only cable there is.
_LIKE_CABLE = frozenset({"bond", "ipvlan", "macvlan", "team", "veth", "vlan"})
_MOBILE = frozenset({"rmnet", "wwan"})
_ETHERNET = 1  # ARPHRD_ETHER, linux/if_arp.h
_VPN_NAME = re.compile(r"(tun|tap|wg|ppp)\d*", re.ASCII)


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """The marks of one interface.

    Attributes:
        driver: IFLA_INFO_KIND, None for hardware.
        hardware: the ARPHRD_* number.
        wireless: the kernel lists it as a wireless device.
        port: it is a port of a bridge or the like.
        has_hardware: it is a bridge, and one of its ports is hardware.
    """

    name: str
    driver: str | None
    hardware: int
    loopback: bool = False
    wireless: bool = False
    port: bool = False
    has_hardware: bool = False


def kind_of(link: Link) -> LinkKind:
    if link.loopback:
        return LinkKind.LOOPBACK
    if link.wireless:
        return LinkKind.WIFI
    if link.driver in _VPN or (link.driver is None and _VPN_NAME.fullmatch(link.name)):
        # A tap device under a bridge is the network card of a virtual machine.
        return LinkKind.VIRTUAL if link.port else LinkKind.VPN
    if link.driver in _LIKE_CABLE or (link.driver == "bridge" and link.has_hardware):
        return LinkKind.CABLE
    if link.driver in _MOBILE or link.name.startswith("wwan"):
        return LinkKind.OTHER
    if link.driver is not None:
        return LinkKind.VIRTUAL
    return LinkKind.CABLE if link.hardware == _ETHERNET else LinkKind.OTHER
