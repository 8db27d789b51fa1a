"""Names on Linux: the system resolver, resolv.conf and the hosts file (resolv.conf(5), hosts(5))."""

import ipaddress
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import msgspec

from core import blocking, resolver
from core.ports import Denied, HostsLine, NameServer, NameSettings, Resolution

_MOST_READ = 1_000_000  # bytes of one file; lists of blocked advertisers are the only bigger ones
_MOST_SERVERS = 3  # glibc reads no more (MAXNS)
_MOST_SUFFIXES = 32


class LinuxNames(msgspec.Struct, frozen=True, kw_only=True):
    """Implements `core.ports.Names`.

    Attributes:
        resolved_conf: where systemd-resolved writes the servers behind its own stub address.
    """

    resolv_conf: Path = Path("/etc/resolv.conf")
    resolved_conf: Path = Path("/run/systemd/resolve/resolv.conf")
    hosts_file: Path = Path("/etc/hosts")

    async def resolve(self, name: str, *, timeout: float) -> Resolution:
        return await resolver.resolve(name, timeout=timeout)

    async def settings(self) -> NameSettings:
        return await blocking.call(self._settings, name="resolv.conf")

    async def hosts(self) -> tuple[HostsLine, ...]:
        return await blocking.call(lambda: tuple(parse_hosts(_read(self.hosts_file))), name="hosts")

    def _settings(self) -> NameSettings:
        told = parse_resolv_conf(_read(self.resolv_conf))
        if [server.address for server in told.servers] != ["127.0.0.53"]:
            return told
        behind = parse_resolv_conf(_read(self.resolved_conf))
        return NameSettings(servers=behind.servers or told.servers, search=told.search)


def parse_resolv_conf(text: str) -> NameSettings:
    """Servers and suffixes as glibc reads them: the first three servers, the last `search` or `domain` line."""
    servers: list[NameServer] = []
    search: tuple[str, ...] = ()
    for line in text.split("\n"):
        # glibc knows comments only at the start of a line.
        words = line.split() if not line.startswith(("#", ";")) else []
        match words:
            case ["nameserver", address, *_] if len(servers) < _MOST_SERVERS and _is_address(address):
                zone = address.partition("%")[2]
                servers.append(NameServer(address=address, interface=zone or None))
            case ["search", *suffixes]:
                search = tuple(suffixes[:_MOST_SUFFIXES])
            case ["domain", suffix, *_]:
                search = (suffix,)
    return NameSettings(servers=tuple(servers), search=search)


def parse_hosts(text: str) -> Iterator[HostsLine]:
    """One HostsLine for every name. Lines without an address at their start say nothing to glibc either."""
    for number, line in enumerate(text.split("\n"), start=1):
        address, *names = line.partition("#")[0].split() or [""]
        if names and _is_address(address):
            for name in names:
                yield HostsLine(address, name, number)


@lru_cache(maxsize=256)  # thousands of lines of a hosts file share one address
def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _read(path: Path) -> str:
    """The start of a file up to its last whole line, "" if there is no such file.

    Raises:
        Denied: this user may not read it.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_READ + 1)
    except PermissionError:
        raise Denied(f"{path} is not readable") from None
    except OSError:
        return ""
    if len(data) > _MOST_READ:
        data = data[:_MOST_READ].rpartition(b"\n")[0]
    return data.decode("utf-8", errors="replace")
