"""Plays a script to one client."""

import asyncio
import ssl
from datetime import UTC, datetime
from enum import IntEnum

from msgspec.structs import replace

from core.demo import negotiation
from core.demo.faults import IO_CHANNEL, USER, VALID_CLIENT, Script, Step, Stop, Then, refusal
from core.demo.stream import Gone, Stream
from core.wire import credssp, gcc, mcs
from core.wire.errors import WireError
from core.wire.ntlm import encode_challenge
from core.wire.x224 import FailureCode, Protocol, TpktReader, data_tpdu, unwrap_data

_LOGON_FAILURE = 0xC000006D  # MS-ERREF 2.3.1
_RDP_10_12 = 0x00080011
_CLIENT_COMPATIBLE = 2  # level of encryption (MS-RDPBCGR 2.2.1.4.3)
_CONNECT_INITIAL = b"\x7f\x65"
_TLS_RECORD_HEADER = 5


class _Choice(IntEnum):
    """What a client sends of DomainMCSPDU (T.125 section 7)."""

    ERECT_DOMAIN = 1
    ATTACH_USER = 10
    JOIN = 14
    SEND_DATA = 25


class _Stopped(Exception):  # noqa: N818 - a turn of the play, not an error
    """The script ends the conversation here."""

    def __init__(self, stop: Stop) -> None:
        super().__init__(stop.at)
        self.stop = stop


class Conversation:
    """One client's connection.

    Args:
        steps: is told how far the client comes. Nothing else that it sends is kept.
    """

    def __init__(self, script: Script, context: ssl.SSLContext, stream: Stream, steps: list[Step]) -> None:
        self._steps = steps
        self._script = script
        self._context = context
        self._stream = stream
        self._tpdus = TpktReader()

    async def play(self) -> None:
        """Talk until either side ends it. The caller closes the socket, and sets the deadline."""
        try:
            await self._serve()
            await self._stream.ignore()
        except _Stopped as stopped:
            await self._end(stopped.stop)
        except (Gone, WireError):
            self._steps.append(Step.LEFT)
            await self._stream.finish()

    def _reach(self, step: Step) -> None:
        self._steps.append(step)
        if self._script.stop is not None and self._script.stop.at is step:
            raise _Stopped(self._script.stop)

    async def _end(self, stop: Stop) -> None:
        try:
            await self._say(stop)
            while stop.then is Then.FLOOD:
                await self._stream.write(stop.say)
                # A write that fits into the buffer does not wait, and then nobody else would run.
                await asyncio.sleep(0)
            if stop.then is Then.SILENCE:
                await self._stream.ignore()
        except Gone:
            self._steps.append(Step.LEFT)
        if stop.then is Then.RST:
            self._stream.reset()
        else:
            await self._stream.finish()

    async def _say(self, stop: Stop) -> None:
        if not stop.pause_s:
            await self._stream.write(stop.say)
            return
        for byte in stop.say:
            await self._stream.write(bytes((byte,)))
            await asyncio.sleep(stop.pause_s)

    async def _serve(self) -> None:
        self._reach(Step.ACCEPTED)
        if self._script.tls.at_once:
            await self._stream.secure(self._context)
            self._reach(Step.SECURED)
            return
        requested = negotiation.requested_protocols(await self._tpdu())
        self._reach(Step.REQUEST)
        selected, answer = _negotiate(self._script, requested)
        await self._stream.write(answer)
        if selected is None:
            return
        if selected is not Protocol.RDP:
            await self._secure()
        if selected & (Protocol.HYBRID | Protocol.HYBRID_EX):
            await self._authenticate()
        else:
            await self._connect(requested, selected)

    async def _secure(self) -> None:
        hello = await self._stream.read_whole(_tls_record_length)
        self._reach(Step.HELLO)
        await self._stream.secure(self._context, hello)
        self._reach(Step.SECURED)

    async def _authenticate(self) -> None:
        """CredSSP up to the CHALLENGE. Whoever goes on to log on is told that the password is wrong."""
        await self._stream.read_whole(credssp.expected_length)
        self._reach(Step.TOKEN)
        clock = datetime.now(UTC) + self._script.clock_error
        challenge = encode_challenge(replace(self._script.challenge, timestamp=clock))
        # With one token and nothing else, a server's TSRequest has the same form as a client's.
        await self._stream.write(credssp.encode_negotiate(challenge))
        await self._stream.read_whole(credssp.expected_length)
        self._reach(Step.AUTHENTICATE)
        await self._stream.write(refusal(_LOGON_FAILURE))

    async def _connect(self, requested: Protocol, selected: Protocol) -> None:
        """MCS and licensing; without TLS the settings only, for RDP itself encrypts what follows."""
        initial = unwrap_data(await self._tpdu())
        if not initial.startswith(_CONNECT_INITIAL):
            raise WireError("no MCS Connect Initial")
        self._reach(Step.CONNECT)
        old = selected is Protocol.RDP
        response = mcs.ConnectResponse(
            server_version=_RDP_10_12,
            requested_protocols=requested,
            early_capabilities=0,
            encryption_method=gcc.EncryptionMethod.RC4_128 if old else gcc.EncryptionMethod.NONE,
            encryption_level=_CLIENT_COMPATIBLE if old else 0,
            io_channel=IO_CHANNEL,
        )
        await self._stream.write(data_tpdu(mcs.encode_connect_response(response)))
        if not old:
            await self._join()

    async def _join(self) -> None:
        """Let the client attach and join; when its Client Info comes, say that its licence is fine."""
        while True:
            pdu = unwrap_data(await self._tpdu())
            match pdu[0] >> 2 if pdu else None:
                case _Choice.ERECT_DOMAIN:
                    continue
                case _Choice.ATTACH_USER:
                    answer = mcs.encode_attach_confirm(mcs.AttachUserConfirm(mcs.Result.SUCCESSFUL, USER))
                case _Choice.JOIN if len(pdu) == 5:
                    if Step.JOIN not in self._steps:
                        self._reach(Step.JOIN)
                    channel = int.from_bytes(pdu[3:])
                    confirm = mcs.ChannelJoinConfirm(mcs.Result.SUCCESSFUL, USER, channel)
                    answer = mcs.encode_join_confirm(confirm, channel)
                case _Choice.SEND_DATA:
                    self._reach(Step.INFO)
                    await self._stream.write(VALID_CLIENT)
                    return
                case choice:
                    raise WireError(f"no client sends MCS choice {choice} here")
            await self._stream.write(data_tpdu(answer))

    async def _tpdu(self) -> bytes:
        """The next TPDU; not a byte of what follows it is touched, for TLS may begin there."""
        while True:
            tpdus = self._tpdus.feed(await self._stream.read(self._tpdus.need))
            if tpdus:
                return tpdus[0]


def _negotiate(script: Script, requested: Protocol) -> tuple[Protocol | None, bytes]:
    """What the server selects, None if it refuses; and its answer."""
    common = requested & script.offers
    if common:
        # The strongest: CredSSP before TLS alone, and of its two forms the newer one.
        selected = max(common)
        return selected, negotiation.confirm(selected)
    if script.refusal is None:
        return Protocol.RDP, negotiation.confirm(None)
    if script.refusal is FailureCode.SSL_NOT_ALLOWED_BY_SERVER and not requested:
        return Protocol.RDP, negotiation.confirm(Protocol.RDP)
    return None, negotiation.failure(script.refusal)


def _tls_record_length(head: bytes) -> int | None:
    if len(head) < _TLS_RECORD_HEADER:
        return None
    return _TLS_RECORD_HEADER + int.from_bytes(head[3:5])
