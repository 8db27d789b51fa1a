"""A name server that misbehaves, as a program inside a lab. Its orders come pickled on standard input, which ends it."""

import asyncio
import socket
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import cast

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

from tests.lab.actions import Behaviour
from tests.lab.scripted_server import arguments
from tests.support.name_server import response

Records = Mapping[str, Sequence[str]]
Reply = Callable[[dns.message.Message, Records], Iterable[bytes]]


def _says(code: dns.rcode.Rcode) -> Reply:
    def reply(query: dns.message.Message, _records: Records) -> Iterable[bytes]:
        yield response(query, {}, code).to_wire()

    return reply


def _honest(query: dns.message.Message, records: Records) -> Iterable[bytes]:
    yield response(query, records).to_wire()


def _silent(_query: dns.message.Message, _records: Records) -> Iterable[bytes]:
    return ()


def _wrong_id(query: dns.message.Message, records: Records) -> Iterable[bytes]:
    reply = response(query, records)
    reply.id ^= 0xFFFF
    yield reply.to_wire()


def _truncated(query: dns.message.Message, _records: Records) -> Iterable[bytes]:
    reply = dns.message.make_response(query)
    reply.flags |= dns.flags.TC
    yield reply.to_wire()


def _garbage(query: dns.message.Message, _records: Records) -> Iterable[bytes]:
    yield query.id.to_bytes(2) + b"\x81\x80" + b"\xff" * 40


def _loop(query: dns.message.Message, _records: Records) -> Iterable[bytes]:
    reply = dns.message.make_response(query)
    name = query.question[0].name
    reply.answer.append(dns.rrset.from_text(name, 60, "IN", "CNAME", name.to_text()))
    yield reply.to_wire()


_REPLIES: Mapping[Behaviour, Reply] = {
    Behaviour.SERVFAIL: _says(dns.rcode.SERVFAIL),
    Behaviour.REFUSED: _says(dns.rcode.REFUSED),
    Behaviour.SILENT: _silent,
    Behaviour.SLOW: _honest,
    Behaviour.WRONG_ID: _wrong_id,
    Behaviour.TRUNCATED: _truncated,
    Behaviour.GARBAGE: _garbage,
    Behaviour.LOOP: _loop,
}


class _Server(asyncio.DatagramProtocol):
    def __init__(self, reply: Reply, seconds: float, records: Records) -> None:
        self._reply, self._seconds, self._records = reply, seconds, records

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        for message in self._reply(dns.message.from_wire(data), self._records):
            asyncio.get_running_loop().call_later(self._seconds, self._transport.sendto, message, addr)


async def main(behaviour: Behaviour, seconds: float, records: Records) -> None:
    loop = asyncio.get_running_loop()
    seconds = seconds if behaviour is Behaviour.SLOW else 0.0

    def protocol() -> _Server:
        return _Server(_REPLIES[behaviour], seconds, records)

    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    # From the very address that was asked: the machine has several.
    sock.bind((sys.argv[1], 53))
    await loop.create_datagram_endpoint(protocol, sock=sock)
    print("ready", flush=True)
    await loop.run_in_executor(None, sys.stdin.buffer.read)


if __name__ == "__main__":
    behaviour, seconds, records = arguments()
    assert isinstance(behaviour, str)
    assert isinstance(seconds, float)
    assert isinstance(records, dict)
    asyncio.run(main(Behaviour(behaviour), seconds, records))
