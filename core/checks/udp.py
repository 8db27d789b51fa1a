"""Can the faster UDP transport be used? Silence here is no fault: Remote Desktop then stays on TCP."""

from core.check import Check, Context, Group, info, ok, warn
from core.checks import reach
from core.model import Finding
from core.probes import udp
from core.probes.udp import UdpFact, UdpOutcome

_FACTOR = 3  # of a TCP round trip, for an answer that takes one
_SHORTEST, _LONGEST = 0.08, 0.8  # seconds; 0.8 s is what Windows waits


async def probe(context: Context) -> UdpFact:
    address = reach.connected(context)
    seen = context.fact(reach.CHECK)
    round_trip = min((a.took_ms for a in seen.attempts if a.address == address), default=0.0) if seen else 0.0
    wait = min(_LONGEST, max(_SHORTEST, _FACTOR * round_trip / 1000))
    return await udp.ask(address, context.target.port, wait=wait)


def judge(fact: UdpFact) -> tuple[Finding, ...]:
    match fact.outcome:
        case UdpOutcome.OPEN:
            return (ok("udp.open", ms=round(fact.took_ms, 1)),)
        case UdpOutcome.CLOSED:
            return (info("udp.closed"),)
        case UdpOutcome.PROHIBITED:
            return (warn("udp.prohibited"),)
        case UdpOutcome.BLOCKED_HERE:
            return (warn("udp.blocked-here"),)
        case UdpOutcome.SILENT:
            return (info("udp.no-answer", sent=fact.sent),)
        case UdpOutcome.OTHER:
            return (info("udp.failed", error=fact.error),)


CHECK = Check(id="udp", group=Group.REMOTE, probe=probe, judge=judge, needs=("reach",), deadline=5.0)
