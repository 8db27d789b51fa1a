"""Do large packets get through? Found by the sizes of TLS answers: no ICMP and no admin rights needed.

A path that drops large packets and says nothing lets TCP and X.224 pass and loses the server's certificate. Then
small TLS answers (a HelloRetryRequest, an alert) arrive where the whole flight does not. The other direction is
tried with a ClientHello padded beyond one packet.
"""

import asyncio
from ipaddress import ip_address

import msgspec

from core.check import Check, Context, Group, Skip, info, ok, problem
from core.checks import reach, tls
from core.model import Finding
from core.ports import Denied, Echo, EchoOutcome, Unsupported
from core.probes import tls_versions
from core.probes.ending import How
from core.probes.tls_versions import Heard, HelloFact
from core.wire.tls_hello import Version

_PADDED = 2800  # bytes: more than one packet on every network without jumbo frames
_IMPOSSIBLE_SUITE = (
    0x0000,
)  # TLS_NULL_WITH_NULL_NULL: no server may choose it (RFC 5246 A.5), so it answers an alert
_ECHO_WAIT = 0.7
_FULL_PACKET = {4: 1500 - 28, 6: 1500 - 48}  # echo payload that fills an Ethernet packet
_USUAL_MTU = 1500


class MtuFact(msgspec.Struct, frozen=True, kw_only=True):
    """Answers of different sizes.

    Attributes:
        whole_flight: bytes of the server's largest answer that arrived; 0 if none.
        silent: the whole handshake fell silent after the ClientHello.
        small: hellos with small answers, asked only where the whole handshake was silent.
        padded: a hello larger than one packet, asked only where the handshake succeeded.
        path_mtu: what the kernel knows of the path; echo_full: a full-size echo that must not be split.
    """

    whole_flight: int
    silent: bool
    small: tuple[HelloFact, ...] = ()
    padded: HelloFact | None = None
    path_mtu: int | None = None
    echo_full: Echo | None = None


async def probe(context: Context) -> MtuFact:
    seen = context.fact(tls.CHECK)
    if seen is None:
        raise Skip("no-tls-chosen")
    address = reach.connected(context)
    ending = seen.handshake.ending
    silent = ending is not None and ending.how in (How.SILENCE, How.INCOMPLETE)
    if ending is not None and not silent:
        raise Skip("tls-failed-otherwise", settle="tls")
    attempts = context.fact(reach.CHECK)
    path_mtu = (
        next((a.info.path_mtu for a in attempts.attempts if a.address == address and a.info), None)
        if attempts
        else None
    )
    async with asyncio.TaskGroup() as group:
        echo = group.create_task(_full_echo(context, address), name="full echo")
        small = (
            [
                group.create_task(
                    tls_versions.ask(context, address, Version.TLS12, suites=_IMPOSSIBLE_SUITE),
                    name="small alert",
                ),
                group.create_task(tls_versions.ask(context, address, Version.TLS13), name="small retry"),
            ]
            if silent
            else []
        )
        padded = (
            None
            if silent
            else group.create_task(
                tls_versions.ask(context, address, Version.TLS12, pad_to=_PADDED), name="padded"
            )
        )
    return MtuFact(
        whole_flight=seen.handshake.flight,
        silent=silent,
        small=tuple(task.result() for task in small),
        padded=padded.result() if padded else None,
        path_mtu=path_mtu,
        echo_full=echo.result(),
    )


async def _full_echo(context: Context, address: str) -> Echo | None:
    host = ip_address(address)
    try:
        return await context.machine.net.echo(
            host, payload=_FULL_PACKET[host.version], dont_fragment=True, timeout=_ECHO_WAIT
        )
    except (Denied, Unsupported):
        return None


def judge(fact: MtuFact) -> tuple[Finding, ...]:
    if fact.silent:
        # Every small answer has to arrive: a box that drops one kind of them is no matter of size.
        if fact.small and all(h.heard in (Heard.ANSWERED, Heard.ALERT) for h in fact.small):
            return (problem("mtu.black-hole", arrived=max(h.flight for h in fact.small)),)
        return (info("mtu.small-lost-too"),)
    padded = fact.padded
    if padded is not None and padded.ending is not None and padded.ending.how is How.SILENCE:
        return (problem("mtu.black-hole-up", size=_PADDED),)
    smallest = _known_mtu(fact)
    if smallest is not None and smallest < _USUAL_MTU:
        return (ok("mtu.ok-small", size=fact.whole_flight, mtu=smallest),)
    return (ok("mtu.ok", size=fact.whole_flight),)


def _known_mtu(fact: MtuFact) -> int | None:
    echo = fact.echo_full
    told = echo.mtu if echo is not None and echo.outcome is EchoOutcome.TOO_BIG else None
    return min((m for m in (told, fact.path_mtu) if m), default=None)


CHECK = Check(
    id="mtu",
    group=Group.REMOTE,
    probe=probe,
    judge=judge,
    needs=("negotiate",),
    reads=("tls",),
    deadline=10.0,
)
