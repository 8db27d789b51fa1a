"""Network Level Authentication up to the server's NTLM challenge, and not one step further.

The first TSRequest of a client carries no secret. The challenge tells the server's names, build and clock.
No AUTHENTICATE follows, so no log-on is tried (MS-CSSP 3.1.5, MS-NLMP 2.2.1).
"""

import asyncio
import time
from datetime import datetime, timedelta

import msgspec

from core.check import elapsed_ms
from core.ports import Clock
from core.probes.dialer import HungUp
from core.probes.ending import Ending, Step, ended, garbage
from core.probes.tls_step import TlsStream
from core.wire import credssp, ntlm
from core.wire.errors import WireError

WAIT = 4.0  # seconds for the whole answer


class NlaFact(msgspec.Struct, frozen=True, kw_only=True):
    """What the server answered to the first TSRequest.

    Attributes:
        version: CredSSP version of the server, 2 to 6; below 5 it is unpatched since 2018 (CVE-2018-0886).
        error_code: NTSTATUS or SSPI code in place of a challenge: a policy refuses NLA itself, for no
            password was offered.
        build: major, minor and build number that the server states; not every server tells the truth here.
        server_time: the server's clock; skew_s: that clock minus ours, corrected for half the round trip.
    """

    took_ms: float
    version: int | None = None
    error_code: int | None = None
    netbios_computer: str | None = None
    netbios_domain: str | None = None
    dns_computer: str | None = None
    dns_domain: str | None = None
    domain_member: bool = False
    build: tuple[int, int, int] | None = None
    server_time: datetime | None = None
    skew_s: float | None = None
    ending: Ending | None = None

    @property
    def computer(self) -> str | None:
        """The server's own name, the long one if it has one."""
        return self.dns_computer or self.netbios_computer


async def challenge(stream: TlsStream, clock: Clock) -> NlaFact:
    """Offer NTLM, read the challenge, stop. Never raises for what the server does."""
    started = time.perf_counter()
    until = asyncio.get_running_loop().time() + WAIT
    received = bytearray()
    sent_at = clock.now()
    try:
        await stream.send(credssp.encode_negotiate(ntlm.negotiate()), until=until)
        length: int | None = None
        while length is None or len(received) < length:
            received += await stream.receive(until=until)
            length = credssp.expected_length(bytes(received))
        answer = credssp.parse(bytes(received[:length]))
        midway = sent_at + (clock.now() - sent_at) / 2
        found = ntlm.parse_challenge(answer.nego_tokens[0]) if answer.nego_tokens else None
    except HungUp as hung:
        ending = ended(Step.CREDSSP, hung, after_ms=elapsed_ms(started), received=bytes(received))
        return NlaFact(took_ms=ending.after_ms, ending=ending)
    except WireError as wrong:
        ending = garbage(Step.CREDSSP, wrong, after_ms=elapsed_ms(started), received=bytes(received))
        return NlaFact(took_ms=ending.after_ms, ending=ending)
    if found is None:
        missing = None
        if answer.error_code is None:
            missing = garbage(
                Step.CREDSSP,
                "neither challenge nor error",
                after_ms=elapsed_ms(started),
                received=bytes(received),
            )
        return NlaFact(
            took_ms=elapsed_ms(started), version=answer.version, error_code=answer.error_code, ending=missing
        )
    return NlaFact(
        took_ms=elapsed_ms(started),
        version=answer.version,
        error_code=answer.error_code,
        netbios_computer=found.netbios_computer,
        netbios_domain=found.netbios_domain,
        dns_computer=found.dns_computer,
        dns_domain=found.dns_domain,
        domain_member=found.is_domain,
        build=found.version,
        server_time=found.timestamp,
        skew_s=round((found.timestamp - midway) / timedelta(seconds=1), 1) if found.timestamp else None,
    )
