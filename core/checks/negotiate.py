"""Does the server speak RDP, and which security does it choose? (X.224, MS-RDPBCGR 2.2.1.1 and 2.2.1.2)"""

import asyncio

import msgspec

from core.check import Check, Context, Group, ok, problem
from core.checks import reach
from core.model import Arg, Finding
from core.probes import handshake, tls_versions
from core.probes.dialer import Attempt
from core.probes.ending import CLOSED, How
from core.probes.x224_step import Answer, NegotiationFact
from core.wire.x224 import FailureCode, Protocol

PROTOCOLS = {
    Protocol.RDP: "rdp",
    Protocol.SSL: "tls",
    Protocol.HYBRID: "nla",
    Protocol.HYBRID_EX: "nla-ex",
    Protocol.RDSTLS: "rdstls",
    Protocol.RDSAAD: "rdsaad",
}
_FAILURES: dict[int, str] = {
    FailureCode.SSL_NOT_ALLOWED_BY_SERVER: "negotiate.standard-security-only",
    FailureCode.SSL_CERT_NOT_ON_SERVER: "negotiate.no-certificate",
    FailureCode.SSL_WITH_USER_AUTH_REQUIRED_BY_SERVER: "negotiate.client-certificate-required",
}


class NegotiateFact(msgspec.Struct, frozen=True, kw_only=True):
    """The answer, or the failed connect; and whether a silent server speaks up when greeted with TLS instead."""

    host: str
    port: int
    negotiation: NegotiationFact | None
    refused: Attempt | None = None
    speaks_tls: bool = False


async def probe(context: Context) -> NegotiateFact:
    address = reach.connected(context)
    first = handshake.of(context, address)
    greeted: asyncio.Future[bool] | None = None
    if context.attempt == 2:
        # A port that waits for TLS first (a web server, a tunnel) is silent for us: greet it its way meanwhile.
        greeted = context.shared.start("tls-first", lambda: tls_versions.speaks_tls_first(context, address))
    answer = await asyncio.shield(first.negotiation)
    if isinstance(answer, Attempt):
        return NegotiateFact(host=context.host, port=context.target.port, negotiation=None, refused=answer)
    speaks_tls = False
    if greeted is not None and answer.ending is not None and answer.ending.how in (How.SILENCE, *CLOSED):
        speaks_tls = await asyncio.shield(greeted)
    return NegotiateFact(
        host=context.host, port=context.target.port, negotiation=answer, speaks_tls=speaks_tls
    )


def judge(fact: NegotiateFact) -> tuple[Finding, ...]:
    args: dict[str, Arg] = {"host": fact.host, "port": fact.port}
    said = fact.negotiation
    if said is None:
        return (
            problem(
                "negotiate.connect-failed", outcome=fact.refused.outcome if fact.refused else None, **args
            ),
        )
    match said.answer:
        case Answer.CONFIRM if not said.negotiates or said.selected == Protocol.RDP:
            return (problem("negotiate.standard-security-only", **args),)
        case Answer.CONFIRM:
            chosen = PROTOCOLS.get(Protocol(said.selected or 0), f"{said.selected:#x}")
            return (ok("negotiate.ok", protocol=chosen, ms=round(said.took_ms, 1), **args),)
        case Answer.FAILURE:
            code = said.failure or 0
            return (problem(_FAILURES.get(code, "negotiate.refused"), code=code, **args),)
        case Answer.DISCONNECT:
            return (problem("negotiate.rejected", reason_code=said.reason, **args),)
        case Answer.NOT_RDP:
            return (problem("negotiate.not-rdp", kind=said.kind, **args),)
        case Answer.NONE:
            return (_no_answer(fact, said),)


def _no_answer(fact: NegotiateFact, said: NegotiationFact) -> Finding:
    ending = said.ending
    assert ending is not None
    args: dict[str, Arg] = {"host": fact.host, "port": fact.port, "ms": round(ending.after_ms)}
    if fact.speaks_tls:
        return problem("negotiate.not-rdp", kind="tls", **args)
    if ending.how in CLOSED:
        return problem("negotiate.hung-up", how=ending.how, **args)
    if ending.how is How.SILENCE:
        return problem("negotiate.silent", **args)
    if ending.how is How.INCOMPLETE:
        return problem("negotiate.incomplete", received=ending.received, **args)
    return problem("negotiate.garbled", **args)


CHECK = Check(id="negotiate", group=Group.REMOTE, probe=probe, judge=judge, needs=("reach",), deadline=12.0)
