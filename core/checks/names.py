"""Which addresses does the name have, and do all who know names agree?

The system resolver decides, because the client asks it too. Every configured name server is asked as well, to tell
why the name is not found, or why it leads somewhere odd.
"""

import asyncio
import ipaddress
import itertools
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from core.check import Check, Context, Group, Skip, ok, problem, warn
from core.model import Finding
from core.ports import (
    Denied,
    HostsLine,
    Machine,
    Resolution,
    ResolveFailure,
    Unsupported,
)
from core.probes.name_servers import places, usable
from core.probes.names import PORT, Answer, Outcome, ask_all, can_be_asked, is_loopback, literal

SYSTEM_WAIT: Final = 4.0  # seconds; two name servers that Windows tries one after the other fit in
FULL_FORM_WAIT: Final = 2.0
SLOW_MS: Final = 1500
MOST_SERVERS: Final = 6
MOST_SUFFIXES: Final = 4

_NOWHERE: Final = ipaddress.IPv4Address("192.0.2.0")  # for what is no address; never a real one (RFC 5737)

# What a server says of several forms of one name: the best of it counts.
_OF_FORMS: Final = (
    Outcome.FOUND,
    Outcome.NXDOMAIN,
    Outcome.NODATA,
    Outcome.SERVFAIL,
    Outcome.REFUSED,
    Outcome.GARBAGE,
    Outcome.SILENT,
    Outcome.BLOCKED_HERE,
)
_KNOWS_NOT: Final = frozenset({Outcome.NXDOMAIN, Outcome.NODATA})
_BROKEN: Final = frozenset({Outcome.SERVFAIL, Outcome.REFUSED, Outcome.GARBAGE})
_SAYS_NO: Final = frozenset({ResolveFailure.NOT_FOUND, ResolveFailure.NO_ADDRESS})


class AskedServer(msgspec.Struct, frozen=True, kw_only=True):
    """A configured name server and its word on each form of the name. `vpn`: it is reached through a VPN."""

    address: str
    interface: str | None
    vpn: bool
    answers: tuple[Answer, ...]

    @property
    def said(self) -> Outcome:
        return min((answer.outcome for answer in self.answers), key=_OF_FORMS.index)

    @property
    def addresses(self) -> tuple[str, ...]:
        return next((answer.addresses for answer in self.answers if answer.addresses), ())


class NamesFact(msgspec.Struct, frozen=True, kw_only=True):
    """The addresses of a name, and who says so.

    Attributes:
        addresses: of the system resolver, in its order. Where that had not finished by SYSTEM_WAIT, those of the
            first name server that knows the name. For a typed address, just that.
        system: the resolver's answer; None if an address was typed.
        full: the resolver's answers to longer forms of a short name that it does not know and a server does.
        hosts: lines of the hosts file for this name.
        servers: empty for this computer's own names, about which nobody is asked; None where they could not be
            asked, because the system does not show them or the name has no place in DNS.
    """

    name: str
    addresses: tuple[str, ...]
    system: Resolution | None = None
    full: tuple[Resolution, ...] = ()
    hosts: tuple[HostsLine, ...] = ()
    servers: tuple[AskedServer, ...] | None = ()

    @property
    def alias(self) -> str | None:
        """The name that this one stands for in DNS (CNAME)."""
        answers = (answer for server in self.servers or () for answer in server.answers)
        return next((answer.alias for answer in answers if answer.alias), None)


async def probe(context: Context, *, port: int = PORT) -> NamesFact:
    """`port` is where the name servers listen; it differs in tests only."""
    host, gateway, machine = context.target.host, context.target.gateway, context.machine
    if host is None:
        raise Skip("no-target")
    if gateway is not None and gateway.always:
        raise Skip("goes-through-gateway")
    if literal(host) is not None:
        return NamesFact(name=host, addresses=(host,))
    if is_loopback(host):
        local = await machine.names.resolve(host, timeout=SYSTEM_WAIT)
        return NamesFact(name=host, addresses=local.addresses, system=local)
    async with asyncio.TaskGroup() as group:
        resolving = group.create_task(
            machine.names.resolve(host, timeout=SYSTEM_WAIT), name="system resolver"
        )
        reading = group.create_task(_hosts_lines(machine, host), name="hosts file")
        asking = group.create_task(_ask_servers(machine, host, port), name="name servers")
    system, servers = resolving.result(), asking.result()
    own = host.removesuffix(".").lower()
    exact = tuple(line for line in reading.result() if line.name.removesuffix(".").lower() == own)
    longer = [line.name for line in reading.result() if line not in exact]
    addresses = system.addresses
    if system.failure is ResolveFailure.SILENT:
        addresses = next((server.addresses for server in servers or () if server.addresses), ())
    return NamesFact(
        name=host,
        addresses=addresses,
        system=system,
        full=await _full_forms(machine, system, servers or (), longer),
        hosts=exact,
        servers=servers,
    )


async def _hosts_lines(machine: Machine, host: str) -> tuple[HostsLine, ...]:
    """The lines for the name, and for longer forms of a short one."""
    try:
        lines = await machine.names.hosts()
    except (Denied, Unsupported):
        return ()
    name = host.removesuffix(".").lower()
    return tuple(line for line in lines if _is_form(line.name.removesuffix(".").lower(), name))


def _is_form(full: str, name: str) -> bool:
    """The name itself, or a longer form of a short one."""
    return full == name or ("." not in name and full.partition(".")[0] == name)


async def _ask_servers(machine: Machine, host: str, port: int) -> tuple[AskedServer, ...] | None:
    try:
        settings = await machine.names.settings()
    except (Denied, Unsupported):
        return None
    settings = replace(settings, servers=usable(settings)[:MOST_SERVERS])
    forms = [host]
    if "." not in host:
        forms += [f"{host}.{suffix.strip('.')}" for suffix in settings.search[:MOST_SUFFIXES]]
    forms = [form for form in dict.fromkeys(forms) if can_be_asked(form)]
    if not forms:
        return None
    addresses = tuple({server.address: None for server in settings.servers})
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(ask_all(addresses, forms, port=port), name="every name server")
        placing = group.create_task(places(machine, settings), name="interfaces of name servers")
    servers, vpns = placing.result()
    return tuple(
        AskedServer(
            address=server.address,
            interface=server.interface,
            vpn=server.interface in vpns,
            answers=tuple(answer for answer in asking.result() if answer.server == server.address),
        )
        for server in servers
    )


async def _full_forms(
    machine: Machine, system: Resolution, servers: Sequence[AskedServer], in_hosts: Sequence[str]
) -> tuple[Resolution, ...]:
    """Ask the system for the longer forms that the hosts file or a server knows: only its own yes helps the user."""
    if system.failure in (None, ResolveFailure.SILENT):
        return ()
    by_servers = [
        answer.name
        for server in servers
        for answer in server.answers
        if answer.outcome is Outcome.FOUND and answer.name != system.name
    ]
    known = list(dict.fromkeys([*in_hosts, *by_servers]))[:MOST_SUFFIXES]
    return tuple(
        await asyncio.gather(*(machine.names.resolve(name, timeout=FULL_FORM_WAIT) for name in known))
    )


def judge(fact: NamesFact) -> tuple[Finding, ...]:
    if fact.system is None:
        return (ok("names.not-needed", address=fact.name),)
    servers = fact.servers or ()
    if not fact.addresses:
        return (_not_found(fact, fact.system), *_disagree(servers), *_one_silent(servers, all_too=False))
    beside = (*_disagree(servers), *_one_silent(servers))
    if fact.system.failure is ResolveFailure.SILENT:
        server = next(server for server in servers if server.addresses)
        ms = round(fact.system.took_ms)
        return (warn("names.late", name=fact.name, server=server.address, ms=ms), *beside)
    if {_same(line.address) for line in fact.hosts} & {_same(address) for address in fact.addresses}:
        # The hosts file decides: what the servers do is of interest only where they say something else.
        beside = _override(fact.hosts, servers)
    elif not beside:
        beside = _differs(fact.addresses, servers)
    slow = (warn("names.slow", ms=round(fact.system.took_ms)),) if fact.system.took_ms > SLOW_MS else ()
    return (
        ok("names.ok", name=fact.name, count=len(fact.addresses), first=fact.addresses[0]),
        *beside,
        *_points_here(fact, servers),
        *slow,
    )


def _points_here(fact: NamesFact, servers: Sequence[AskedServer]) -> tuple[Finding, ...]:
    """A name server answers with an address that means "this computer": a blocked name, or a wrong record."""
    said = [address for server in servers for address in server.addresses]
    here = [a for a in said if (literal(a) or _NOWHERE).is_unspecified or is_loopback(a)]
    if is_loopback(fact.name) or not here or len(here) < len(said):
        return ()
    return (warn("names.points-here", name=fact.name, address=here[0]),)


def _not_found(fact: NamesFact, system: Resolution) -> Finding:
    """Why the system has no address: the explanation that helps most comes first."""
    full = next((resolution for resolution in fact.full if resolution.addresses), None)
    if full is not None:
        return problem("names.full-form-works", name=fact.name, full=full.name)
    servers = fact.servers or ()
    knows = next((server for server in servers if server.vpn and server.said is Outcome.FOUND), None)
    if knows is not None:
        return problem("names.vpn-server-knows", name=fact.name, server=knows.address)
    said = {server.said for server in servers}
    if fact.servers == () and system.failure not in _SAYS_NO:
        return problem("names.no-server", name=fact.name)
    if said == {Outcome.BLOCKED_HERE}:
        return problem("names.blocked-here", name=fact.name, server=servers[0].address)
    if said and said <= {Outcome.SILENT, Outcome.BLOCKED_HERE}:
        return problem("names.server-silent", name=fact.name, server=servers[0].address)
    if said and said <= _BROKEN | {Outcome.SILENT}:
        broken = next(server for server in servers if server.said in _BROKEN)
        return problem("names.server-fails", name=fact.name, server=broken.address)
    return problem("names.not-found", name=fact.name)


def _disagree(servers: Sequence[AskedServer]) -> tuple[Finding, ...]:
    """Two servers that name different addresses, or of which only one knows the name.

    That a server outside the VPN does not know a name from inside is as it should be.
    """
    for first, second in itertools.combinations(servers, 2):
        said = {first.said, second.said}
        one_knows = Outcome.FOUND in said and bool(said & _KNOWS_NOT) and first.vpn == second.vpn
        if one_knows or _apart(first.addresses, second.addresses):
            return (warn("names.servers-disagree", first=first.address, second=second.address),)
    return ()


def _one_silent(servers: Sequence[AskedServer], *, all_too: bool = True) -> tuple[Finding, ...]:
    silent = [server for server in servers if server.said is Outcome.SILENT]
    if not silent or (len(silent) == len(servers) and not all_too):
        return ()
    return (warn("names.one-server-silent", server=silent[0].address),)


def _override(hosts: Sequence[HostsLine], servers: Sequence[AskedServer]) -> tuple[Finding, ...]:
    ours = [line.address for line in hosts]
    dns = next((server.addresses for server in servers if _apart(ours, server.addresses)), None)
    return (warn("names.hosts-override", hosts=ours[0], dns=dns[0]),) if dns else ()


def _differs(ours: Sequence[str], servers: Sequence[AskedServer]) -> tuple[Finding, ...]:
    """The system's own answer (a cache, a policy, a neighbour) is none that a name server gives."""
    dns = [address for server in servers for address in server.addresses]
    return (warn("names.system-differs", system=ours[0], dns=dns[0]),) if _apart(ours, dns) else ()


def _apart(one: Iterable[str], other: Iterable[str]) -> bool:
    """Do both name addresses of one family, and none of them in common?"""
    pairs = list(itertools.product(map(_same, one), map(_same, other)))
    of_one_family = [(ours, theirs) for ours, theirs in pairs if (":" in ours) is (":" in theirs)]
    return bool(of_one_family) and all(ours != theirs for ours, theirs in of_one_family)


def _same(address: str) -> str:
    """One spelling for each address."""
    return str(literal(address) or address)


CHECK = Check(id="names", group=Group.LOCAL, probe=probe, judge=judge)
