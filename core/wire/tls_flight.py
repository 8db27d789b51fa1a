"""What a server answers to a ClientHello, read from the wire: version, suite, group, certificates, alert.

Sources: RFC 6101 (SSL 3.0), 2246 (TLS 1.0), 5246 (TLS 1.2), 8446 (TLS 1.3), 8422 (elliptic curves); IANA "TLS Alerts".
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from core.wire.errors import WireError
from core.wire.tls_suites import Version, group_name, suite_name

ALERTS: Mapping[int, str] = {
    0: "close_notify",
    10: "unexpected_message",
    20: "bad_record_mac",
    21: "decryption_failed",
    22: "record_overflow",
    30: "decompression_failure",
    40: "handshake_failure",
    41: "no_certificate",
    42: "bad_certificate",
    43: "unsupported_certificate",
    44: "certificate_revoked",
    45: "certificate_expired",
    46: "certificate_unknown",
    47: "illegal_parameter",
    48: "unknown_ca",
    49: "access_denied",
    50: "decode_error",
    51: "decrypt_error",
    60: "export_restriction",
    70: "protocol_version",
    71: "insufficient_security",
    80: "internal_error",
    86: "inappropriate_fallback",
    90: "user_canceled",
    100: "no_renegotiation",
    109: "missing_extension",
    110: "unsupported_extension",
    111: "certificate_unobtainable",
    112: "unrecognized_name",
    113: "bad_certificate_status_response",
    114: "bad_certificate_hash_value",
    115: "unknown_psk_identity",
    116: "certificate_required",
    117: "general_error",
    120: "no_application_protocol",
    121: "ech_required",
}

_LONGEST_RECORD = 1 << 14
_LONGEST_FLIGHT = 1 << 16
_SAMPLE = 64

_RECORD_HEADER, _MESSAGE_HEADER = 5, 4
_RECORD_TYPES = range(20, 24)
_ALERT, _HANDSHAKE = 21, 22
_WARNING, _CLOSE_NOTIFY = 1, 0

_HELLO_REQUEST, _SERVER_HELLO = 0, 2
_CERTIFICATE, _SERVER_KEY_EXCHANGE, _CERTIFICATE_REQUEST, _SERVER_HELLO_DONE = 11, 12, 13, 14
_SUPPORTED_VERSIONS, _KEY_SHARE = 43, 51
_NAMED_CURVE = 3

# RFC 8446 4.1.3: SHA-256 of "HelloRetryRequest", in place of the server's random
_RETRY_RANDOM = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")


class Alert(NamedTuple):
    """A TLS alert in plaintext. Level 1 is a warning, 2 is fatal; both numbers are kept as they came."""

    level: int
    number: int

    @property
    def name(self) -> str:
        """IANA name; `alert 99` for a number without one."""
        return ALERTS.get(self.number, f"alert {self.number}")

    @property
    def final(self) -> bool:
        """The server says nothing after this one."""
        return self.level != _WARNING or self.number == _CLOSE_NOTIFY


class Group(msgspec.Struct, frozen=True):
    """With what the server would agree on a key: a named group, or parameters of its own."""

    name: str
    """IANA name, or "DH", "RSA" (a temporary export key), "explicit curve"."""
    bits: int | None = None
    """Size of the DH prime or of the temporary RSA key; None for a named group."""


class ServerFlight(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a server's first flight so far. What has not been seen is None, empty or False."""

    version: int | None = None
    """Compare with `Version`; display with `tls_suites.version_name`. May be a number that nobody knows."""
    suite: int | None = None
    group: Group | None = None
    certificates: tuple[bytes, ...] = ()
    """DER, leaf first. Never seen in TLS 1.3, where they travel encrypted."""
    certificate_requested: bool = False
    alert: Alert | None = None
    """The last one. A warning (unrecognized_name, for example) does not end the flight."""
    hello_retry: bool = False
    complete: bool = False
    """No further plaintext can follow: HelloRetryRequest, TLS 1.3 ServerHello, ServerHelloDone, a fatal alert or
    close_notify, or an answer that is no TLS at all."""
    plaintext: bytes | None = None
    """First 64 bytes of an answer that is no TLS record: a server that speaks something else, for example TPKT."""

    @property
    def suite_name(self) -> str | None:
        return None if self.suite is None else suite_name(self.suite)


def read_server_flight(data: bytes) -> ServerFlight:
    """Reads all that a server has sent since the ClientHello. Call it again with more while the result is not complete.

    Incomplete data is no error: whatever has arrived is read, also out of an unfinished record. Of what follows a
    complete flight only plaintext alerts are looked at, so the bytes of a longer, failed handshake may be given as well.

    Raises:
        WireError: lengths or types that cannot be, or no end within 64 KB.
    """
    # The second byte is the major version, 3 from SSL 3.0 to TLS 1.3
    if data and (data[0] not in _RECORD_TYPES or data[1:2] not in (b"", b"\x03")):
        return ServerFlight(plaintext=data[:_SAMPLE], complete=True)
    reader = _FlightReader()
    for record in _records(data[:_LONGEST_FLIGHT]):
        if reader.closed or (reader.flight.complete and (record.kind, record.length) != (_ALERT, 2)):
            break
        reader.read(record)
    if len(data) >= _LONGEST_FLIGHT and not reader.flight.complete:
        raise WireError("the server's first flight has no end within 64 KB")
    return reader.flight


class _Record(NamedTuple):
    kind: int
    major: int
    length: int
    fragment: bytes
    """Shorter than `length` where the data ends."""


def _records(data: bytes) -> Iterator[_Record]:
    at = 0
    while len(data) - at >= _RECORD_HEADER:
        start = at + _RECORD_HEADER
        length = int.from_bytes(data[start - 2 : start], "big")
        yield _Record(data[at], data[at + 1], length, data[start : start + length])
        at = start + length


class _Cursor:
    """Takes fields off the front of a message."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def take(self, count: int) -> bytes:
        if count > len(self._data) - self._at:
            raise WireError("a field reaches beyond the end of its handshake message")
        self._at += count
        return self._data[self._at - count : self._at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def vector(self, size: int) -> bytes:
        return self.take(self.number(size))

    def bit_length(self) -> int:
        """Of a big integer with two bytes of length in front."""
        return int.from_bytes(self.vector(2), "big").bit_length()


class _FlightReader:
    """Collects a flight record by record."""

    def __init__(self) -> None:
        self.flight = ServerFlight()
        self._pending = bytearray()  # the beginning of a handshake message whose end has not arrived

    @property
    def closed(self) -> bool:
        return self.flight.alert is not None and self.flight.alert.final

    def read(self, record: _Record) -> None:
        if record.kind not in (_ALERT, _HANDSHAKE) or record.major != 3:
            raise WireError(
                f"record of type {record.kind}, major version {record.major} in the server's first flight"
            )
        if not 0 < record.length <= _LONGEST_RECORD:
            raise WireError(f"plaintext record of {record.length} bytes")
        if record.kind == _ALERT:
            self._alerts(record)
        else:
            self._messages(record.fragment)

    def _alerts(self, record: _Record) -> None:
        if record.length % 2:
            raise WireError(f"alert record of {record.length} bytes")
        for level, number in zip(record.fragment[::2], record.fragment[1::2], strict=False):
            alert = Alert(level, number)
            self.flight = replace(self.flight, alert=alert, complete=self.flight.complete or alert.final)
            if alert.final:
                return

    def _messages(self, fragment: bytes) -> None:
        self._pending += fragment
        while not self.flight.complete and len(self._pending) >= _MESSAGE_HEADER:
            end = _MESSAGE_HEADER + int.from_bytes(self._pending[1:_MESSAGE_HEADER], "big")
            if end > _LONGEST_FLIGHT:
                raise WireError(f"handshake message of {end} bytes")
            if len(self._pending) < end:
                return
            message = bytes(self._pending[:end])
            del self._pending[:end]
            self.flight = _with_message(self.flight, message[0], _Cursor(message[_MESSAGE_HEADER:]))


def _with_message(flight: ServerFlight, kind: int, body: _Cursor) -> ServerFlight:
    if kind == _SERVER_HELLO:
        if flight.suite is not None:
            raise WireError("second ServerHello")
        return _server_hello(flight, body)
    if kind == _HELLO_REQUEST:
        return flight
    if flight.suite is None:
        raise WireError(f"handshake message {kind} in front of the ServerHello")
    if kind == _CERTIFICATE:
        return replace(flight, certificates=_certificates(body))
    if kind == _SERVER_KEY_EXCHANGE:
        return replace(flight, group=_temporary_key(suite_name(flight.suite), body))
    if kind == _CERTIFICATE_REQUEST:
        return replace(flight, certificate_requested=True)
    return replace(flight, complete=kind == _SERVER_HELLO_DONE)


def _server_hello(flight: ServerFlight, body: _Cursor) -> ServerFlight:
    version = body.number(2)
    hello_retry = body.take(32) == _RETRY_RANDOM
    body.vector(1)  # session id
    suite = body.number(2)
    body.take(1)  # compression
    group = None
    extensions = _Cursor(body.vector(2) if body else b"")
    while extensions:
        number, content = extensions.number(2), _Cursor(extensions.vector(2))
        if number == _SUPPORTED_VERSIONS:
            version = content.number(2)
        elif number == _KEY_SHARE:
            group = Group(group_name(content.number(2)))
    complete = hello_retry or version >= Version.TLS13
    return replace(
        flight, version=version, suite=suite, group=group, hello_retry=hello_retry, complete=complete
    )


def _certificates(body: _Cursor) -> tuple[bytes, ...]:
    chain = _Cursor(body.vector(3))
    certificates = []
    while chain:
        certificates.append(chain.vector(3))
    return tuple(certificates)


def _temporary_key(suite: str, body: _Cursor) -> Group | None:
    """Reads a ServerKeyExchange (RFC 8422 5.4, RFC 5246 7.4.3, RFC 2246 7.4.3), whose form depends on the suite."""
    if suite.startswith("TLS_ECDHE_"):
        named = body.number(1) == _NAMED_CURVE
        return Group(group_name(body.number(2))) if named else Group("explicit curve")
    if suite.startswith("TLS_DHE_"):
        return Group("DH", body.bit_length())
    if suite.startswith("TLS_RSA_EXPORT"):
        return Group("RSA", body.bit_length())
    return None
