"""Which TLS versions a server answers, asked with an own ClientHello on a connection each.

Python's ssl no longer speaks SSL 3.0, RC4 or 3DES; these questions can still be asked because nothing has to be
decrypted. An answer to TLS 1.3 is about 90 bytes (HelloRetryRequest), one to TLS 1.2 carries the certificate:
the difference shows a path that loses large packets.
"""

import asyncio
import time
from collections.abc import Sequence
from enum import StrEnum

import msgspec

from core.check import Context, elapsed_ms
from core.probes import x224_step
from core.probes.dialer import Connection, HungUp
from core.probes.ending import Ending, How, Step, ended, garbage, sample
from core.probes.handshake import TCP_WAIT, routing_token, server_name
from core.probes.x224_step import Answer
from core.wire.errors import WireError
from core.wire.tls_hello import ServerFlight, Version, client_hello, read_server_flight
from core.wire.tls_suites import suite_name

WAIT = 2.0  # seconds for the answer to one hello
UP_TO_TLS12 = (Version.TLS12, Version.TLS11, Version.TLS10, Version.SSL3)


class Heard(StrEnum):
    """What came back for one ClientHello."""

    ANSWERED = "answered"
    ALERT = "alert"
    ENDED = "ended"
    NO_X224 = "no-x224"


class HelloFact(msgspec.Struct, frozen=True, kw_only=True):
    """One ClientHello and its answer.

    Attributes:
        asked: the version offered.
        version: the version the server chose; may be lower than asked.
        flight: bytes of TLS that came back.
        certificate: the server's own certificate as DER where it travels in the clear (below TLS 1.3).
    """

    asked: int
    heard: Heard
    took_ms: float
    version: int | None = None
    suite: int | None = None
    suite_name: str | None = None
    group: str | None = None
    alert: int | None = None
    certificate: bytes = b""
    flight: int = 0
    ending: Ending | None = None


async def ask(
    context: Context,
    address: str,
    version: Version,
    *,
    suites: Sequence[int] | None = None,
    pad_to: int | None = None,
) -> HelloFact:
    """Connect, agree on TLS, send one hello, read the answer. Never raises for what the server does."""
    async with context.dialer.dial(address, context.target.port, timeout=TCP_WAIT) as connection:
        started = time.perf_counter()
        if not isinstance(connection, Connection):
            return HelloFact(asked=version, heard=Heard.NO_X224, took_ms=elapsed_ms(started))
        negotiation = await x224_step.negotiate(connection, routing_token=routing_token(context))
        if negotiation.answer is not Answer.CONFIRM or not negotiation.tls:
            return HelloFact(
                asked=version, heard=Heard.NO_X224, took_ms=elapsed_ms(started), ending=negotiation.ending
            )
        hello = client_hello(version, suites=suites, server_name=server_name(context), pad_to=pad_to)
        return await _converse(connection, version, hello)


async def _converse(connection: Connection, version: Version, hello: bytes) -> HelloFact:
    started = time.perf_counter()
    until = asyncio.get_running_loop().time() + WAIT
    received = bytearray()
    flight = ServerFlight()
    ending: Ending | None = None
    try:
        await connection.send(hello, until=until)
        while not flight.complete and flight.plaintext is None:
            received += await connection.receive(until=until)
            flight = read_server_flight(bytes(received))
    except HungUp as hung:
        ending = ended(Step.TLS, hung, after_ms=elapsed_ms(started), received=bytes(received))
    except WireError as wrong:
        ending = garbage(Step.TLS, wrong, after_ms=elapsed_ms(started), received=bytes(received))
    if flight.plaintext is not None:
        ending = Ending(
            step=Step.TLS,
            how=How.PLAINTEXT,
            after_ms=elapsed_ms(started),
            received=len(received),
            sample=sample(bytes(received)),
        )
    heard = Heard.ENDED
    # A ServerHello is an answer, also if what follows it never ends.
    if flight.suite is not None:
        heard = Heard.ANSWERED
    elif flight.alert is not None:
        heard = Heard.ALERT
    return HelloFact(
        asked=version,
        heard=heard,
        took_ms=elapsed_ms(started),
        version=flight.version,
        suite=flight.suite,
        suite_name=suite_name(flight.suite) if flight.suite is not None else None,
        group=flight.group.name if flight.group else None,
        alert=flight.alert.number if flight.alert else None,
        certificate=flight.certificates[0] if flight.certificates else b"",
        flight=len(received),
        ending=ending,
    )


async def ask_all(context: Context, address: str, versions: Sequence[Version]) -> tuple[HelloFact, ...]:
    """One hello for each version, as many at a time as the dialer allows."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(ask(context, address, v), name=f"hello {v.name}") for v in versions]
    return tuple(task.result() for task in tasks)


async def speaks_tls_first(context: Context, address: str) -> bool:
    """Does the port answer a ClientHello without any X.224 before it, as a web server or a TLS tunnel does?"""
    async with context.dialer.dial(address, context.target.port, timeout=TCP_WAIT) as connection:
        if not isinstance(connection, Connection):
            return False
        hello = client_hello(Version.TLS12, server_name=server_name(context))
        fact = await _converse(connection, Version.TLS12, hello)
        return fact.heard in (Heard.ANSWERED, Heard.ALERT)
