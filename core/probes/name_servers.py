"""The name servers that this PC is told to use, and where they are reached."""

import ipaddress

from msgspec.structs import replace

from core.ports import Denied, LinkKind, Machine, NameServer, NameSettings, Unsupported
from core.probes.names import literal


async def name_servers(machine: Machine, settings: NameSettings) -> tuple[NameServer, ...]:
    """The configured name servers, each with its interface: the one it belongs to, else the one on the way to it.

    Raises:
        Denied, Unsupported: the system does not tell the way.
    """
    servers: list[NameServer] = []
    for server in usable(settings):
        interface = server.interface
        if interface is None:
            interface = (await machine.net.best_route(ipaddress.ip_address(server.address))).interface
        servers.append(replace(server, interface=interface))
    return tuple(servers)


def usable(settings: NameSettings) -> tuple[NameServer, ...]:
    """The configured name servers that can be asked at all."""

    def real(server: NameServer) -> bool:
        address = literal(server.address)
        # Windows lists fec0:0:0:ffff::1 to 3 where nobody has configured a server for IPv6 (RFC 3879 ended their use).
        return address is not None and not (address.version == 6 and address.is_site_local)

    return tuple(server for server in settings.servers if real(server))


async def places(machine: Machine, settings: NameSettings) -> tuple[tuple[NameServer, ...], frozenset[str]]:
    """The servers with their interfaces, and which interfaces are VPNs; as far as the system tells."""
    try:
        interfaces = await machine.net.interfaces()
        servers = await name_servers(machine, settings)
    except (Denied, Unsupported):
        return settings.servers, frozenset()
    return servers, frozenset(interface.name for interface in interfaces if interface.kind is LinkKind.VPN)
