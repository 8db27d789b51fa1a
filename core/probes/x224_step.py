"""The first words of RDP: X.224 Connection Request and what comes back (MS-RDPBCGR 2.2.1.1, 2.2.1.2)."""

import asyncio
import time
from enum import StrEnum

import msgspec

from core.check import elapsed_ms
from core.probes.dialer import Connection, HungUp
from core.probes.ending import Ending, Step, ended, garbage, sample
from core.wire import x224
from core.wire.errors import WireError

WAIT = 4.0  # seconds for the whole answer; freerdp-shadow needs 50 ms, a busy Windows host under a second

_BANNER_WAIT = 0.3  # seconds
_TPKT = 3  # the first byte of everything that speaks RDP (T.123 section 8)

# What today's mstsc offers. RDSAAD (0x10) is left out: xrdp 0.9 answers it with a bare MCS disconnect.
OFFER = x224.Protocol.SSL | x224.Protocol.HYBRID | x224.Protocol.HYBRID_EX


class Answer(StrEnum):
    CONFIRM = "confirm"
    FAILURE = "failure"
    DISCONNECT = "disconnect"
    NOT_RDP = "not-rdp"
    NONE = "none"


class NegotiationFact(msgspec.Struct, frozen=True, kw_only=True):
    """What the server said to the X.224 Connection Request.

    Attributes:
        asked: the protocols offered, as the bit mask of RDP_NEG_REQ.
        selected: the one protocol of the Connection Confirm; 0 is Standard RDP Security. None without confirm.
        negotiates: False if the confirm carried no negotiation data at all: Standard RDP Security only.
        flags: flags of RDP_NEG_RSP.
        failure: failureCode of RDP_NEG_FAILURE.
        banner: what a server that speaks something else said, for evidence; `kind` names it.
        correlation: the id under which the server may log this connection, as 32 hex digits.
    """

    asked: int
    answer: Answer
    took_ms: float
    selected: int | None = None
    negotiates: bool = True
    flags: int = 0
    failure: int | None = None
    reason: int | None = None
    kind: str | None = None
    banner: str = ""
    ending: Ending | None = None
    correlation: str | None = None

    @property
    def nla(self) -> bool:
        """The server chose CredSSP."""
        return self.selected in (x224.Protocol.HYBRID, x224.Protocol.HYBRID_EX)

    @property
    def tls(self) -> bool:
        """TLS comes next on this connection."""
        return self.selected is not None and self.selected != x224.Protocol.RDP


async def negotiate(
    connection: Connection,
    offer: x224.Protocol = OFFER,
    *,
    correlation: bytes | None = None,
    routing_token: bytes | None = None,
) -> NegotiationFact:
    """Send one Connection Request and read one answer. Never raises for what the server does."""
    started = time.perf_counter()
    until = asyncio.get_running_loop().time() + WAIT
    request = x224.connection_request(
        offer,
        cookie=None if routing_token else x224.COOKIE_NAME,
        routing_token=routing_token,
        correlation_id=correlation,
    )
    received = bytearray()

    def fact(answer: Answer, **known: object) -> NegotiationFact:
        return NegotiationFact(
            asked=int(offer),
            answer=answer,
            took_ms=elapsed_ms(started),
            correlation=correlation.hex() if correlation else None,
            **known,  # type: ignore[arg-type]
        )

    reader = x224.TpktReader()
    try:
        await connection.send(request, until=until)
        while True:
            # Not one byte more than the answer: what follows it belongs to the next step.
            data = await connection.receive(until=until, most=reader.need)
            received += data
            if received[0] != _TPKT:
                received += await _more_of_a_banner(connection, until)
                break
            if reader.feed(data):
                break
        answer = x224.parse_answer(bytes(received))
    except HungUp as hung:
        ending = ended(Step.X224, hung, after_ms=elapsed_ms(started), received=bytes(received))
        return fact(Answer.NONE, ending=ending)
    except WireError as wrong:
        ending = garbage(Step.X224, wrong, after_ms=elapsed_ms(started), received=bytes(received))
        return fact(Answer.NONE, ending=ending)
    match answer:
        case x224.ConnectionConfirm():
            return fact(
                Answer.CONFIRM,
                selected=int(answer.selected or 0),
                negotiates=answer.selected is not None,
                flags=int(answer.flags),
            )
        case x224.NegotiationFailure():
            return fact(Answer.FAILURE, failure=answer.code)
        case x224.Disconnect():
            return fact(Answer.DISCONNECT, reason=answer.reason)
        case x224.NotRdp():
            return fact(Answer.NOT_RDP, kind=answer.kind, banner=sample(answer.sample))


async def _more_of_a_banner(connection: Connection, until: float) -> bytes:
    """A stranger's first line has no length of its own: what comes within a moment is enough to know it by."""
    moment = asyncio.get_running_loop().time() + _BANNER_WAIT
    try:
        return await connection.receive(until=min(until, moment), most=4096)
    except HungUp:
        return b""
