"""Does the RD Gateway in front of the server answer, with a good certificate, and let clients talk to it?"""

from datetime import datetime

import msgspec

from core.check import Check, Context, Group, Skip, ok, problem, unknown
from core.checks.certificate import matches
from core.model import Arg, Finding
from core.probes import gateway
from core.probes.gateway import GatewayFact, RequestFact
from core.wire import certificate
from core.wire.certificate import Certificate
from core.wire.errors import WireError
from core.wire.gateway import GatewayAnswer

_ALIVE = (GatewayAnswer.ALIVE_AUTH, GatewayAnswer.ALIVE_TOKEN)
# The most telling first: one transport may be missing where the other says why nothing works.
_REFUSALS = {
    GatewayAnswer.STOPPED: "gateway.stopped",
    GatewayAnswer.WEB_PORTAL: "gateway.portal",
    GatewayAnswer.VERB_BLOCKED: "gateway.method-blocked",
    GatewayAnswer.NOT_A_GATEWAY: "gateway.not-a-gateway",
}


class GatewayCheckFact(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen of the gateway, its certificate where one could be read, and the time by which it is judged."""

    seen: GatewayFact
    certificate: Certificate | None
    now: datetime


async def probe(context: Context) -> GatewayCheckFact:
    if context.target.gateway is None:
        raise Skip("no-gateway")
    seen = await gateway.look(context, context.target.gateway)
    read: Certificate | None = None
    if seen.tls is not None and seen.tls.certificate:
        try:
            read = certificate.parse(seen.tls.certificate)
        except WireError:
            read = None
    return GatewayCheckFact(seen=seen, certificate=read, now=context.machine.clock.now())


def judge(fact: GatewayCheckFact) -> tuple[Finding, ...]:
    seen = fact.seen
    args: dict[str, Arg] = {"gateway": seen.host, "port": seen.port}
    if seen.name_failure is not None:
        return (problem("gateway.name-not-found", why=seen.name_failure, **args),)
    if seen.connect is not None:
        return (problem("gateway.not-answering", outcome=seen.connect.outcome, **args),)
    if seen.tls is None or seen.tls.ending is not None:
        how = seen.tls.ending.how if seen.tls and seen.tls.ending else None
        return (problem("gateway.tls-failed", how=how, **args),)
    if (fault := _certificate(fact)) is not None:
        return (fault,)
    return (_answer(seen.requests, args),)


def _certificate(fact: GatewayCheckFact) -> Finding | None:
    """Clients refuse a gateway whose certificate is not right, so here the name counts (facts: 0x3000003, 0x3000006)."""
    found, host = fact.certificate, fact.seen.host
    if found is None:
        return None
    if fact.now > found.not_after:
        return problem("gateway.certificate-expired", gateway=host, not_after=found.not_after.isoformat())
    if fact.now < found.not_before:
        return problem(
            "gateway.certificate-not-yet-valid", gateway=host, not_before=found.not_before.isoformat()
        )
    names = found.names or ((found.common_name,) if found.common_name else ())
    if not any(matches(name.lower(), host.lower().rstrip(".")) for name in names):
        return problem("gateway.certificate-wrong-name", gateway=host, name=next(iter(names), ""))
    return None


def _answer(requests: tuple[RequestFact, ...], args: dict[str, Arg]) -> Finding:
    for request in requests:
        if request.answer in _ALIVE:
            return ok("gateway.ok", verb=request.verb, ms=round(request.took_ms, 1), **args)
    said = {r.answer: r for r in reversed(requests)}
    telling = next((answer for answer in _REFUSALS if answer in said), None)
    if telling is not None:
        return problem(_REFUSALS[telling], status=said[telling].status, **args)
    ending = next((r.ending for r in requests if r.ending), None)
    if ending is not None:
        return problem("gateway.hung-up", how=ending.how, **args)
    status = requests[0].status if requests else None
    return unknown("gateway.unclear", reason="handshake-garbled", settle="send-report", status=status, **args)


CHECK = Check(id="gateway", group=Group.REMOTE, probe=probe, judge=judge, deadline=18.0)
