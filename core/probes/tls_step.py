"""TLS on the connection on which X.224 agreed to it, for looking only.

The context accepts what no client should, so that the product sees why a client does not; nothing secret is
ever sent over it. `ssl.MemoryBIO` with an own read loop keeps what OpenSSL throws away: the alert's number, how
many bytes came, and a plaintext answer.
"""

import asyncio
import functools
import ssl
import time
import warnings

import msgspec

from core.check import elapsed_ms
from core.probes.dialer import Connection, Hangup, HungUp
from core.probes.ending import Ending, How, Step, ended, sample
from core.wire import tls_hello
from core.wire.errors import WireError

WAIT = 3.5  # seconds for the whole TLS handshake
_RECORD_TYPES = range(20, 25)  # change_cipher_spec .. heartbeat


class TlsFact(msgspec.Struct, frozen=True, kw_only=True):
    """How the TLS handshake went.

    Attributes:
        version, suite: as OpenSSL names them; None if the handshake did not end.
        certificate: the server's own certificate as DER; empty if none was seen.
        flight: bytes from the server up to the end of the handshake.
        ending: None if it succeeded.
    """

    took_ms: float
    version: str | None = None
    suite: str | None = None
    certificate: bytes = b""
    flight: int = 0
    ending: Ending | None = None


@functools.cache
def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with warnings.catch_warnings():
        # Old versions are deprecated, which is why they have to be told apart here.
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
        context.options &= ~(ssl.OP_NO_TLSv1 | ssl.OP_NO_TLSv1_1)
    context.options |= getattr(ssl, "OP_LEGACY_SERVER_CONNECT", 0x4)
    return context


class TlsStream:
    """TLS over one Connection. Reads and writes raise HungUp as the connection's own do."""

    def __init__(self, connection: Connection, server_name: str | None) -> None:
        self._connection = connection
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        try:
            self._tls = _context().wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)
        except ValueError:
            # A name that works in this network and is none by the rules of IDNA (an underscore, an empty label).
            self._tls = _context().wrap_bio(self._incoming, self._outgoing)
        self._raw = bytearray()

    async def handshake(self) -> TlsFact:
        """Carry the handshake out. Never raises for what the server does."""
        started = time.perf_counter()
        until = asyncio.get_running_loop().time() + WAIT
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                pass
            except (ssl.SSLError, ValueError) as failed:
                return self._failed(failed, started)
            else:
                await self._flush_quietly(until)
                cipher = self._tls.cipher()
                return TlsFact(
                    took_ms=elapsed_ms(started),
                    version=self._tls.version(),
                    suite=cipher[0] if cipher else None,
                    certificate=self._tls.getpeercert(binary_form=True) or b"",
                    flight=len(self._raw),
                )
            try:
                await self._flush(until)
                data = await self._connection.receive(until=until)
            except HungUp as hung:
                ending = ended(Step.TLS, hung, after_ms=elapsed_ms(started), received=bytes(self._raw))
                return TlsFact(took_ms=ending.after_ms, flight=len(self._raw), ending=ending)
            self._raw += data
            if self._raw[0] not in _RECORD_TYPES:
                return self._failed(None, started)
            self._incoming.write(data)

    def _failed(self, error: ssl.SSLError | ValueError | None, started: float) -> TlsFact:
        raw = bytes(self._raw)
        how, alert = How.GARBAGE, None
        if raw and raw[0] not in _RECORD_TYPES:
            how = How.PLAINTEXT
        elif (alert := _alert(raw)) is not None:
            how = How.ALERT
        ending = Ending(
            step=Step.TLS,
            how=how,
            after_ms=elapsed_ms(started),
            received=len(raw),
            alert=alert,
            sample=sample(raw),
            detail=getattr(error, "reason", None) or type(error).__name__ if error else "",
        )
        return TlsFact(took_ms=ending.after_ms, flight=len(raw), ending=ending)

    async def send(self, data: bytes, *, until: float) -> None:
        """Send everything. Raises HungUp; a TLS fault counts as a reset."""
        try:
            self._tls.write(data)
        except ssl.SSLError:
            raise HungUp(Hangup.RST) from None
        await self._flush(until)

    async def receive(self, *, until: float) -> bytes:
        """At least one decrypted byte. Raises HungUp; a TLS fault counts as a reset."""
        while True:
            try:
                data = self._tls.read(65_536)
            except ssl.SSLWantReadError:
                self._incoming.write(await self._connection.receive(until=until))
                continue
            except ssl.SSLError:
                raise HungUp(Hangup.RST) from None
            if not data:
                raise HungUp(Hangup.FIN)
            return data

    async def _flush(self, until: float) -> None:
        if self._outgoing.pending:
            await self._connection.send(self._outgoing.read(), until=until)

    async def _flush_quietly(self, until: float) -> None:
        """Send the last flight; if the server is gone already, the next step says so."""
        try:
            await self._flush(until)
        except HungUp:
            return


def _alert(raw: bytes) -> int | None:
    try:
        flight = tls_hello.read_server_flight(raw)
    except WireError:
        return None
    return flight.alert.number if flight.alert else None
