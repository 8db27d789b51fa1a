"""TLS without any cryptography: a ClientHello of our own, and what the server says to it.

A modern TLS library refuses to speak what old servers speak, and hides what it refused. This asks in any version from
SSL 3.0 to TLS 1.3 and looks at the server's plaintext flight. The connection ends there; no key is ever agreed on.

Sources: RFC 6101 (SSL 3.0), 5246 (TLS 1.2), 8446 (TLS 1.3), 8422 (elliptic curves), 6066 (SNI), 7685 (padding),
5746 (renegotiation), 7627 (extended master secret).
"""

import re
import secrets
import struct
from collections.abc import Sequence

from core.wire.tls_flight import ALERTS, Alert, Group, ServerFlight, read_server_flight
from core.wire.tls_suites import Version, groups_for, suites_for

__all__ = ["ALERTS", "Alert", "Group", "ServerFlight", "Version", "client_hello", "read_server_flight"]

_LONGEST_RECORD = 1 << 14
_RECORD_HEADER, _MESSAGE_HEADER = 5, 4
_HANDSHAKE, _CLIENT_HELLO = 22, 1

_SERVER_NAME, _SUPPORTED_GROUPS, _EC_POINT_FORMATS, _SIGNATURE_ALGORITHMS = 0, 10, 11, 13
_PADDING, _EXTENDED_MASTER_SECRET, _SUPPORTED_VERSIONS, _KEY_SHARE = 21, 23, 43, 51

# RFC 5746 3.3: servers that refuse clients without secure renegotiation look for this number among the suites
_RENEGOTIATION_INFO_SCSV = 0x00FF

# RFC 8446 4.2.3: ECDSA with SHA-256, 384, 512, Ed25519, Ed448, RSA-PSS (rsae, pss), PKCS#1, then SHA-1
_SIGNATURES = (
    *(0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0804, 0x0805, 0x0806, 0x0809, 0x080A, 0x080B),
    *(0x0401, 0x0501, 0x0601, 0x0203, 0x0201),
)
# RFC 5246 7.4.1.4.1: SHA-224, DSA and MD5, as certificates of old servers have them
_OLD_SIGNATURES = (0x0303, 0x0301, 0x0602, 0x0502, 0x0402, 0x0302, 0x0202, 0x0101)

_LONGEST_NAME = 253
# The last label is no number: "10.0.0.5", and "127.1" or "0x7f000001" too, are addresses for the resolver
_HOST_NAME = re.compile(r"([\w-]{1,63}\.)*(?!(\d+|0x[\da-f]*)\Z)[\w-]{1,63}", re.ASCII | re.IGNORECASE)


def client_hello(
    version: Version,
    *,
    suites: Sequence[int] | None = None,
    server_name: str | None = None,
    pad_to: int | None = None,
) -> bytes:
    """One record with a ClientHello that offers `version` and nothing above it (for TLS 1.3: nothing else at all).

    The TLS 1.3 hello has an empty key_share, so that the server answers with a short HelloRetryRequest that tells its
    version, suite and group (RFC 8446 4.2.8; seen with OpenSSL, not yet with Schannel). A server without TLS 1.3 may
    refuse it with handshake_failure as well as with protocol_version, for it finds none of its suites.

    Args:
        version: the version to offer.
        suites: cipher suites to offer; None offers all that exist in this version.
        server_name: the name that the user typed. Sent as SNI if it has the form of a DNS host name, left out
            otherwise (IP addresses above all, RFC 6066 section 3).
        pad_to: fill the record with a padding extension to at least this many bytes, header included; exact if the
            hello is at least 4 bytes shorter by itself.

    Raises:
        ValueError: `pad_to` for SSL 3.0, which knows no extensions, or beyond one record (16,389 bytes).
    """
    if pad_to is not None and (version is Version.SSL3 or pad_to > _RECORD_HEADER + _LONGEST_RECORD):
        raise ValueError("this hello cannot be padded so far")
    offer = suites_for(version) if suites is None else tuple(suites)
    session = b""
    if version is Version.TLS13:
        session = secrets.token_bytes(32)  # RFC 8446 D.4: middleboxes want to see a session to resume
    else:
        offer += (_RENEGOTIATION_INFO_SCSV,)

    legacy_version = min(version, Version.TLS12)
    body = struct.pack(">H", legacy_version) + secrets.token_bytes(32)
    body += _vector(1, session) + _vector(2, _numbers(offer)) + _vector(1, b"\0")  # no compression
    if version is not Version.SSL3:
        extensions = _extensions(version, server_name)
        if pad_to is not None:
            missing = pad_to - (_RECORD_HEADER + _MESSAGE_HEADER + len(body) + 2 + len(extensions))
            if missing > 0:
                extensions += _extension(_PADDING, bytes(max(0, missing - 4)))
        body += _vector(2, extensions)
    message = bytes((_CLIENT_HELLO,)) + _vector(3, body)
    # RFC 8446 5.1: the record of a first hello says TLS 1.0 at most, whatever the hello offers
    return struct.pack(">BHH", _HANDSHAKE, min(version, Version.TLS10), len(message)) + message


def _extensions(version: Version, server_name: str | None) -> bytes:
    parts = b""
    host = _sni_host(server_name) if server_name else None
    if host:
        parts += _extension(_SERVER_NAME, _vector(2, b"\0" + _vector(2, host)))
    if version is Version.TLS13:
        parts += _extension(_SUPPORTED_VERSIONS, _vector(1, _numbers((version,))))
        parts += _extension(_KEY_SHARE, _vector(2, b""))
    else:
        parts += _extension(_EXTENDED_MASTER_SECRET, b"")
        parts += _extension(_EC_POINT_FORMATS, _vector(1, b"\0"))  # uncompressed
    if version >= Version.TLS12:
        signatures = _SIGNATURES if version is Version.TLS13 else _SIGNATURES + _OLD_SIGNATURES
        parts += _extension(_SIGNATURE_ALGORITHMS, _vector(2, _numbers(signatures)))
    return parts + _extension(_SUPPORTED_GROUPS, _vector(2, _numbers(groups_for(version))))


def _sni_host(name: str) -> bytes | None:
    name = name.removesuffix(".")
    if len(name) > _LONGEST_NAME:
        return None
    if not name.isascii():
        try:
            name = name.encode("idna").decode("ascii")
        except UnicodeError:
            return None
    return name.encode("ascii") if _HOST_NAME.fullmatch(name) else None


def _vector(size: int, content: bytes) -> bytes:
    return len(content).to_bytes(size, "big") + content


def _numbers(values: Sequence[int]) -> bytes:
    return struct.pack(f">{len(values)}H", *values)


def _extension(number: int, content: bytes) -> bytes:
    return struct.pack(">HH", number, len(content)) + content
