"""RD Gateway from outside: name, TCP, TLS, certificate, and the opening request without credentials.

HTTP transport (MS-TSGU 3.3.5.1) and RPC over HTTP, the transport of 2008 R2, on a connection each.
"""

import asyncio
import time
import uuid
from collections.abc import Callable, Sequence

import msgspec

from core.check import Context, elapsed_ms
from core.model import Gateway
from core.ports import ResolveFailure
from core.probes.dialer import Attempt, Connect, Connection, HungUp
from core.probes.ending import Ending, Step, ended, garbage
from core.probes.handshake import TCP_WAIT
from core.probes.tls_step import TlsFact, TlsStream
from core.wire import gateway as wire
from core.wire.errors import WireError
from core.wire.gateway import GatewayAnswer

NAME_WAIT = 3.0  # seconds
MOST_ADDRESSES = 4  # of the gateway's name
HTTP_WAIT = 3.0  # seconds for the head of one answer


class RequestFact(msgspec.Struct, frozen=True, kw_only=True):
    """One request and its answer. `status` is the HTTP status; `schemes` are the ways to log on that it offers."""

    verb: str
    took_ms: float
    answer: GatewayAnswer | None = None
    status: int | None = None
    schemes: tuple[str, ...] = ()
    ending: Ending | None = None


class GatewayFact(msgspec.Struct, frozen=True, kw_only=True):
    """How far the way into the gateway goes.

    Attributes:
        addresses: of the gateway's name; empty with `name_failure`.
        connect: the attempt to connect, if it failed.
        tls: None if there was no connection.
        requests: at most two, the newer transport first.
    """

    host: str
    port: int
    addresses: tuple[str, ...] = ()
    name_failure: ResolveFailure | None = None
    connect: Attempt | None = None
    tls: TlsFact | None = None
    requests: tuple[RequestFact, ...] = ()


async def look(context: Context, gateway: Gateway) -> GatewayFact:
    """Go as far as the gateway lets a stranger. Never raises for what it does."""
    resolved = await context.machine.names.resolve(gateway.host, timeout=NAME_WAIT)
    if not resolved.addresses:
        failure = resolved.failure or ResolveFailure.NO_ADDRESS
        return GatewayFact(host=gateway.host, port=gateway.port, name_failure=failure)
    attempts = await _connects(context, resolved.addresses[:MOST_ADDRESSES], gateway.port)
    address = next((a.address for a in attempts if a.outcome is Connect.CONNECTED), None)
    if address is None:
        return GatewayFact(
            host=gateway.host, port=gateway.port, addresses=resolved.addresses, connect=attempts[0]
        )
    async with asyncio.TaskGroup() as group:
        newer = group.create_task(_request(context, gateway, address, "RDG_OUT_DATA", _websocket(gateway)))
        older = group.create_task(_request(context, gateway, address, "RPC_OUT_DATA", _rpc(gateway)))
    tls, connect, first = newer.result()
    return GatewayFact(
        host=gateway.host,
        port=gateway.port,
        addresses=resolved.addresses,
        connect=connect,
        tls=tls,
        requests=tuple(r for r in (first, older.result()[2]) if r is not None),
    )


async def _connects(context: Context, addresses: Sequence[str], port: int) -> tuple[Attempt, ...]:
    """One attempt for each address, in their order: clients go on to the next address too."""

    async def one(address: str) -> Attempt:
        async with context.dialer.dial(address, port, timeout=TCP_WAIT) as connection:
            return connection.attempt if isinstance(connection, Connection) else connection

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(address), name=f"gateway {address}") for address in addresses]
    return tuple(task.result() for task in tasks)


def _websocket(gateway: Gateway) -> Callable[[], bytes]:
    return lambda: wire.websocket_request(gateway.host, connection_id=uuid.uuid4(), port=gateway.port)


def _rpc(gateway: Gateway) -> Callable[[], bytes]:
    return lambda: wire.rpc_request(gateway.host, session_id=uuid.uuid4(), port=gateway.port)


async def _request(
    context: Context, gateway: Gateway, address: str, verb: str, request: Callable[[], bytes]
) -> tuple[TlsFact | None, Attempt | None, RequestFact | None]:
    async with context.dialer.dial(address, gateway.port, timeout=TCP_WAIT) as connection:
        if not isinstance(connection, Connection):
            return None, connection, None
        stream = TlsStream(connection, None if ":" in gateway.host else gateway.host)
        tls = await stream.handshake()
        if tls.ending is not None:
            return tls, None, None
        return tls, None, await _ask(stream, verb, request())


async def _ask(stream: TlsStream, verb: str, request: bytes) -> RequestFact:
    started = time.perf_counter()
    until = asyncio.get_running_loop().time() + HTTP_WAIT
    reader = wire.HeadReader()
    received = b""
    try:
        await stream.send(request, until=until)
        while True:
            data = await stream.receive(until=until)
            received += data
            answer = reader.feed(data)
            if answer is not None:
                return RequestFact(
                    verb=verb,
                    took_ms=elapsed_ms(started),
                    answer=wire.classify(answer),
                    status=answer.status,
                    schemes=wire.auth_schemes(answer),
                )
    except HungUp as hung:
        ending = ended(Step.HTTP, hung, after_ms=elapsed_ms(started), received=received)
    except WireError as wrong:
        ending = garbage(Step.HTTP, wrong, after_ms=elapsed_ms(started), received=received)
    return RequestFact(verb=verb, took_ms=ending.after_ms, ending=ending)
