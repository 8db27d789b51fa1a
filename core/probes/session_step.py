"""From MCS to licensing, for servers that let a client in before it names a user.

Goes on after TLS (or, with Standard RDP Security, right after X.224) as the real client does: MCS Connect, user
and channels, an empty Client Info, then whatever the server says about licences. It stops there, before any
session is drawn (MS-RDPBCGR 1.3.1.1). Under Standard RDP Security everything after MCS Connect is encrypted with
RC4: it stops there.
"""

import asyncio
import time
from enum import StrEnum
from typing import Any, Protocol, TypeVar

import msgspec

from core.check import elapsed_ms
from core.probes.dialer import Hangup, HungUp
from core.probes.ending import Ending, Step, ended, garbage
from core.wire import mcs, session, x224
from core.wire.errors import WireError

WAIT = 4.0  # seconds for MCS with its channels, and again for licensing
_AFTERWARDS = 0.5  # seconds for what a server says right after it accepted the licence
_MOST_PDUS = 50  # a server that talks on without ever coming to licences is not waited for
_USUAL_IO_CHANNEL = 1003
_ULTIMATUM = 8  # DisconnectProviderUltimatum in the choice DomainMCSPDU (T.125 section 7)

P = TypeVar("P", bound=mcs.DomainPdu)


class Stream(Protocol):
    """A plain or TLS connection. Both raise HungUp."""

    async def send(self, data: bytes, *, until: float) -> None: ...

    async def receive(self, *, until: float) -> bytes: ...


class Reached(StrEnum):
    """How far the server let us come."""

    NOTHING = "nothing"
    MCS = "mcs"
    CHANNELS = "channels"
    LICENSING = "licensing"
    SESSION = "session"


class SessionFact(msgspec.Struct, frozen=True, kw_only=True):
    """What happened between TLS and the session.

    Attributes:
        mcs_result: of MCS Connect Response; 0 is success (T.125 Result).
        encryption_method: not 0 means that Standard RDP Security encrypts from here on: nothing more was asked.
        license_code, license_transition: of a licensing error message (MS-RDPBCGR 2.2.1.12.1.3).
        error_info: the code of Set Error Info (MS-RDPBCGR 2.2.5.1.1).
        disconnect: the reason of an MCS Disconnect Provider Ultimatum.
    """

    took_ms: float
    reached: Reached = Reached.NOTHING
    mcs_result: int | None = None
    requested_echo: int | None = None
    server_version: int | None = None
    encryption_method: int | None = None
    encryption_level: int | None = None
    multitransport: int | None = None
    license_code: int | None = None
    license_transition: int | None = None
    error_info: int | None = None
    disconnect: int | None = None
    ending: Ending | None = None


class _Left(Exception):  # noqa: N818 - an answer, not an error
    """The server sent an MCS Disconnect Provider Ultimatum."""


async def connect(stream: Stream, selected: int) -> SessionFact:
    """Walk from MCS Connect to licensing. Never raises for what the server does."""
    walk = _Walk(stream)
    ending: Ending | None = None
    try:
        await walk.run(selected)
    except _Left:
        pass
    except HungUp as hung:
        # A server that has accepted the licence and then waits for us is where we wanted to get.
        if not (hung.how is Hangup.SILENCE and walk.reached is Reached.LICENSING):
            ending = ended(walk.step, hung, after_ms=elapsed_ms(walk.step_started), received=walk.last)
    except WireError as wrong:
        ending = garbage(walk.step, wrong, after_ms=elapsed_ms(walk.step_started), received=walk.last)
    return SessionFact(took_ms=elapsed_ms(walk.started), reached=walk.reached, ending=ending, **walk.known)


class _Walk:
    """One walk. `known` fills up with fields of SessionFact, `last` holds the bytes that came last in this step."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._reader = x224.TpktReader()
        self._ready: list[bytes] = []
        self.known: dict[str, Any] = {}
        self.reached = Reached.NOTHING
        self.started = time.perf_counter()
        self._begin(Step.MCS, WAIT)

    def _begin(self, step: Step, wait: float) -> None:
        self.step = step
        self.last = b""
        self.step_started = time.perf_counter()
        self._until = asyncio.get_running_loop().time() + wait

    async def run(self, selected: int) -> None:
        await self._send(mcs.encode_connect_initial(selected))
        answer = await self._connect_response()
        if answer.result != mcs.Result.SUCCESSFUL:
            return
        self.reached = Reached.MCS
        if answer.encryption_method:
            return
        channel = answer.io_channel or _USUAL_IO_CHANNEL
        user = await self._join(channel)
        if user is None:
            return
        self.reached = Reached.CHANNELS
        self._begin(Step.LICENSING, WAIT)
        await self._send(mcs.encode_send_data_request(user, channel, session.client_info()))
        await self._listen(channel)
        await self._send(mcs.encode_disconnect_ultimatum(mcs.Reason.USER_REQUESTED))

    async def _connect_response(self) -> mcs.ConnectResponse:
        payload = await self._next()
        if payload[:1] and payload[0] >> 2 == _ULTIMATUM:
            self._read(payload)
        answer = mcs.parse_connect_response(payload)
        self.known.update(
            mcs_result=int(answer.result),
            requested_echo=answer.requested_protocols,
            server_version=answer.server_version,
            encryption_method=answer.encryption_method,
            encryption_level=answer.encryption_level,
            multitransport=answer.multitransport,
        )
        return answer

    async def _join(self, channel: int) -> int | None:
        """Become a user of the conference; None if the server refuses the user or one of the channels."""
        await self._send(mcs.ERECT_DOMAIN_REQUEST)
        await self._send(mcs.ATTACH_USER_REQUEST)
        attached = await self._expect(mcs.AttachUserConfirm)
        if attached.user is None:
            self.known["mcs_result"] = attached.result
            return None
        # Both joins at once saves a round trip; a server answers them in order.
        for wanted in (attached.user, channel):
            await self._send(mcs.encode_join_request(attached.user, wanted))
        for _ in range(2):
            joined = await self._expect(mcs.ChannelJoinConfirm)
            if joined.channel is None:
                self.known["mcs_result"] = joined.result
                return None
        return attached.user

    async def _listen(self, channel: int) -> None:
        """Hear what the server says to Client Info until the matter of the licence is settled."""
        for _ in range(_MOST_PDUS):
            pdu = await self._expect(mcs.SendDataIndication)
            match session.parse_indication(pdu.payload, pdu.channel, channel):
                case session.LicenseError() as said:
                    self.reached = Reached.LICENSING
                    self.known.update(license_code=said.code, license_transition=said.transition)
                    if not said.valid_client:
                        return
                    # What follows an accepted licence follows at once: the session, or a denial.
                    self._begin(Step.LICENSING, _AFTERWARDS)
                case session.LicenseRequest() | session.PlatformChallenge() | session.NewLicense():
                    self.reached = Reached.LICENSING
                    return
                case session.SetErrorInfo(code=code) if code:
                    self.known["error_info"] = code
                    return
                case session.DemandActive():
                    self.reached = Reached.SESSION
                    return

    async def _expect(self, kind: type[P]) -> P:
        """The next PDU of this kind; others in between are passed over. Raises _Left if the server leaves."""
        for _ in range(_MOST_PDUS):
            pdu = self._read(await self._next())
            if isinstance(pdu, kind):
                return pdu
        raise WireError(f"{_MOST_PDUS} PDUs and no {kind.__name__}")

    def _read(self, payload: bytes) -> mcs.DomainPdu:
        pdu = mcs.parse_domain_pdu(payload)
        if isinstance(pdu, mcs.DisconnectUltimatum):
            self.known["disconnect"] = pdu.reason
            raise _Left
        return pdu

    async def _next(self) -> bytes:
        while not self._ready:
            data = await self._stream.receive(until=self._until)
            self.last = data
            self._ready.extend(self._reader.feed(data))
        return x224.unwrap_data(self._ready.pop(0))

    async def _send(self, pdu: bytes) -> None:
        await self._stream.send(x224.data_tpdu(pdu), until=self._until)
