"""One conversation as the real client would hold it, up to where a password would be needed.

TCP, X.224, TLS, then CredSSP up to the NTLM challenge, or, where the server wants no NLA, MCS up to licensing.
Each stage can be awaited as soon as it has ended, so that other questions start while this one goes on.
No AUTHENTICATE is ever sent and no user is named: no log-on is tried, so no account can be locked.
"""

import asyncio
import ipaddress
from collections.abc import Callable
from typing import Any, TypeVar

from msgspec.structs import replace

from core.check import Context
from core.probes import credssp_step, session_step, x224_step
from core.probes.credssp_step import NlaFact
from core.probes.dialer import Attempt, Connection
from core.probes.session_step import SessionFact
from core.probes.tls_step import TlsFact, TlsStream
from core.probes.x224_step import Answer, NegotiationFact
from core.wire import x224

T = TypeVar("T")

TCP_WAIT = 3.5  # seconds; long enough for the SYNs that systems send again after 1 and 3 seconds
_LONGEST_TOKEN = 202  # bytes: beside a correlation id, no more fit into a Connection Request (X.224 13.3)


class Handshake:
    """The stages of one conversation as futures. A stage that was never reached has the result None."""

    def __init__(self, context: Context, address: str) -> None:
        self._context = context
        self._address = address
        loop = asyncio.get_running_loop()
        self.negotiation: asyncio.Future[NegotiationFact | Attempt] = loop.create_future()
        self.tls: asyncio.Future[TlsFact | None] = loop.create_future()
        self.nla: asyncio.Future[NlaFact | None] = loop.create_future()
        self.session: asyncio.Future[SessionFact | None] = loop.create_future()

    async def run(self) -> None:
        """Hold the conversation. Every future has a result or is cancelled when this ends."""
        later: tuple[asyncio.Future[Any], ...] = (self.tls, self.nla, self.session)
        stages = (self.negotiation, *later)
        try:
            target = self._context.target
            async with self._context.dialer.dial(self._address, target.port, timeout=TCP_WAIT) as connection:
                if isinstance(connection, Connection):
                    await self._talk(connection)
                else:
                    self.negotiation.set_result(connection)
            for stage in later:
                if not stage.done():
                    stage.set_result(None)
        except Exception as error:  # noqa: BLE001 - handed to those who await a stage
            for stage in stages:
                if not stage.done():
                    stage.set_exception(error)
                    stage.exception()  # seen: a stage that nobody awaits may fail in silence
        finally:
            for stage in stages:
                stage.cancel()

    async def _talk(self, connection: Connection) -> None:
        # Servers log the correlation id; some before 2022 hang up on it, so the second try goes without.
        correlation = x224.new_correlation_id() if self._context.attempt == 1 else None
        negotiation = await x224_step.negotiate(
            connection, correlation=correlation, routing_token=routing_token(self._context)
        )
        self.negotiation.set_result(negotiation)
        if negotiation.answer is not Answer.CONFIRM or negotiation.selected is None:
            return
        stream: TlsStream | session_step.Stream = connection
        if negotiation.tls:
            stream = TlsStream(connection, server_name(self._context))
            tls = await stream.handshake()
            self.tls.set_result(tls)
            if tls.ending is not None:
                return
            if negotiation.nla:
                self.nla.set_result(await credssp_step.challenge(stream, self._context.machine.clock))
                return
        self.session.set_result(await session_step.connect(stream, negotiation.selected))


def of(context: Context, address: str) -> Handshake:
    """The conversation of this attempt with this address, started when first asked for."""
    key = ("handshake", address, context.attempt)
    handshake = context.shared.keep(key, lambda: Handshake(context, address))
    context.shared.start(key, handshake.run)
    return handshake


async def reached(
    context: Context, address: str, stage: Callable[[Handshake], "asyncio.Future[T | None]"]
) -> T | None:
    """The result of one stage; if the first conversation ended before it, that of a second one, else None."""
    result = await asyncio.shield(stage(of(context, address)))
    if result is None and context.attempt == 1:
        result = await asyncio.shield(stage(of(replace(context, attempt=2), address)))
    return result


def server_name(context: Context) -> str | None:
    """The name for TLS Server Name Indication: what the user typed, unless it is an address (RFC 6066 section 3)."""
    host = context.host
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host.rstrip(".")
    return None


def routing_token(context: Context) -> bytes | None:
    """The token of the .rdp file with which a broker or load balancer finds the way (`loadbalanceinfo`).

    None if there is none, or one that no request can carry.
    """
    rdp = context.target.rdp
    token = (rdp.load_balance_info or "").encode("utf-8", "replace") if rdp else b""
    fits = 0 < len(token) <= _LONGEST_TOKEN and b"\r" not in token and b"\n" not in token
    return token if fits else None
