"""What the scripted server does, fault by fault.

A script is data: what the server offers, what it says of itself, and the one place where it stops behaving.
Where a fault shows a cause that the product can name, its own name is that cause's id, with a suffix for a variant.
"""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import msgspec
from msgspec.structs import replace

from core.demo import negotiation
from core.wire import credssp, der, mcs, session
from core.wire.ntlm import Challenge, Flags, encode_challenge
from core.wire.x224 import FailureCode, Protocol, data_tpdu

IO_CHANNEL: Final = 1003
USER: Final = 1007
_SERVER_USER: Final = 1002

TLS_1_0: Final = 0x0301
TLS_1_2: Final = 0x0303
TLS_1_3: Final = 0x0304


class Step(StrEnum):
    """How far a client has come."""

    ACCEPTED = "accepted"
    """TCP stands; nothing has been read."""
    REQUEST = "request"
    """The X.224 Connection Request is here."""
    HELLO = "hello"
    """The first TLS record of the client is here."""
    SECURED = "secured"
    """The TLS handshake is over."""
    TOKEN = "token"  # noqa: S105 - a message of CredSSP
    """The first TSRequest is here."""
    AUTHENTICATE = "authenticate"
    """A second TSRequest is here: the client tries a log-on, which a check never does."""
    CONNECT = "connect"
    """MCS Connect Initial is here."""
    JOIN = "join"
    """The first Channel Join Request is here."""
    INFO = "info"
    """The Client Info PDU is here."""
    LEFT = "left"
    """The client went first, or sent what no server understands."""


class Then(StrEnum):
    """What follows the server's last word."""

    FIN = "fin"
    RST = "rst"
    SILENCE = "silence"
    FLOOD = "flood"
    """The last word over and over, until the client leaves."""


class Stop(msgspec.Struct, frozen=True, kw_only=True):
    """Where the server stops behaving: in place of its answer to a step it says and does something else.

    Attributes:
        say: goes through TLS where TLS stands.
        pause_s: after each single byte of `say`; 0 sends all at once.
    """

    at: Step
    say: bytes = b""
    then: Then = Then.FIN
    pause_s: float = 0.0


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """A self-signed certificate as Remote Desktop makes it: for server authentication, six months long.

    Attributes:
        name: common name and only DNS name.
        starts, ends: counted from now.
        rsa_bits: None makes a key on the curve P-256, which is faster made than any RSA key.
    """

    name: str = "PC-ANNA"
    starts: timedelta = timedelta(days=-30)
    ends: timedelta = timedelta(days=153)
    rsa_bits: int | None = None


class Tls(msgspec.Struct, frozen=True, kw_only=True):
    """Which TLS the server speaks.

    Attributes:
        oldest, newest: version numbers as on the wire.
        ciphers: OpenSSL's words; None for its defaults.
        at_once: from the first byte on, like HTTPS, without X.224 in front.
    """

    oldest: int = TLS_1_2
    newest: int = TLS_1_3
    ciphers: str | None = None
    at_once: bool = False


# Windows Server 2022 in a workgroup. The clock is added when the message is sent.
_PC_ANNA = Challenge(
    target_name="PC-ANNA",
    flags=Flags(0x628A8235),  # as Windows sends them; TARGET_TYPE_SERVER is among them
    netbios_computer="PC-ANNA",
    netbios_domain="PC-ANNA",
    dns_computer="PC-ANNA",
    dns_domain="PC-ANNA",
    version=(10, 0, 20348),
)


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """A server, from TCP up.

    Attributes:
        offers: security protocols that it accepts, apart from Standard RDP Security.
        refusal: its answer to a request for nothing that it offers. SSL_NOT_ALLOWED_BY_SERVER means that it
            speaks Standard RDP Security to those who ask for it; None that it speaks it to everybody and has
            never heard of negotiation.
        challenge: what it says of itself in NTLM; `clock_error` is how far its clock is ahead.
        stop: None for a server that behaves to the end.
        listens: False for a port on which nobody listens.
    """

    offers: Protocol = Protocol.HYBRID | Protocol.HYBRID_EX
    refusal: FailureCode | None = FailureCode.HYBRID_REQUIRED_BY_SERVER
    tls: Tls = Tls()
    certificate: Certificate = Certificate()
    challenge: Challenge = _PC_ANNA
    clock_error: timedelta = timedelta(0)
    stop: Stop | None = None
    listens: bool = True


def refusal(status: int) -> bytes:
    """A TSRequest that carries an NTSTATUS as a signed number, as the MS-CSSP type has it."""
    code = der.encode_integer(status - (1 << 32) if status >> 31 else status)
    version = der.encode(der.explicit(0), der.encode_integer(credssp.VERSION))
    return der.encode(der.SEQUENCE, version, der.encode(der.explicit(4), code))


def indication(payload: bytes) -> bytes:
    """What a server sends over the I/O channel, down to the TPKT header."""
    return data_tpdu(mcs.encode_send_data_indication(_SERVER_USER, IO_CHANNEL, payload))


VALID_CLIENT: Final = indication(
    session.encode_license_error(
        session.LicenseError(
            session.LicenseErrorCode.STATUS_VALID_CLIENT, session.LicenseTransition.NO_TRANSITION
        )
    )
)
"""The good end of licensing."""


_DISCONNECT = data_tpdu(mcs.encode_disconnect_ultimatum(mcs.Reason.PROVIDER_INITIATED))
_SERVER_DENIED_CONNECTION = 7  # MS-RDPBCGR 2.2.5.1.1
_NTLM_BLOCKED = 0xC0000418  # MS-ERREF 2.3.1
_NO_LICENSE_SERVER = session.LicenseError(
    session.LicenseErrorCode.NO_LICENSE_SERVER, session.LicenseTransition.TOTAL_ABORT
)


def _alert(description: int) -> bytes:
    """A fatal TLS alert (RFC 8446 6)."""
    return bytes((21, 3, 1, 0, 2, 2, description))


_HEALTHY = Script()
_WITHOUT_NLA = Script(offers=Protocol.SSL, refusal=FailureCode.SSL_REQUIRED_BY_SERVER)
_RDP_ONLY = Script(offers=Protocol.RDP, refusal=None)

# A banner of a few lines is all that tells these from a server that speaks RDP badly.
_HTTP = b"HTTP/1.1 400 Bad Request\r\nServer: demo\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_SSH = b"SSH-2.0-OpenSSH_9.2\r\n"

# TPKT packets of the greatest length, and the longest ServerHello of TLS in the largest records.
_BIG_PACKET = b"\x03\x00\xff\xff" + bytes(0xFFFF - 4)
_BIG_RECORD = b"\x16\x03\x03\x40\x00" + b"\x02\xff\xff\xff" + bytes(0x4000 - 4)

# A CHALLENGE that claims 65,535 bytes of name beyond its end, in a TSRequest of version -1.
_LYING_CHALLENGE = encode_challenge(_PC_ANNA)[:12] + b"\xff\xff\xff\xff\xff\xff\x00\x00" + bytes(36)
_LYING_TOKEN = credssp.encode_negotiate(_LYING_CHALLENGE, version=-1)


def _at(step: Step, say: bytes = b"", then: Then = Then.FIN, *, base: Script = _HEALTHY) -> Script:
    return replace(base, stop=Stop(at=step, say=say, then=then))


DEFAULT: Final = "server-certificate-expired"

FAULTS: Final[Mapping[str, Script]] = MappingProxyType(
    {
        "healthy": _HEALTHY,
        "healthy-tls": _WITHOUT_NLA,
        "port-closed": replace(_HEALTHY, listens=False),
        "not-rdp": _at(Step.REQUEST, _HTTP),
        "not-rdp-ssh": _at(Step.ACCEPTED, _SSH, Then.SILENCE),
        "not-rdp-tls": replace(_HEALTHY, tls=Tls(at_once=True)),
        "server-silent": _at(Step.ACCEPTED, then=Then.SILENCE),
        "server-hangs-up-early": _at(Step.REQUEST),
        "server-hangs-up-early-reset": _at(Step.REQUEST, then=Then.RST),
        "server-no-certificate": replace(
            _HEALTHY, offers=Protocol.RDP, refusal=FailureCode.SSL_CERT_NOT_ON_SERVER
        ),
        "server-security-layer-old": _RDP_ONLY,
        "server-security-layer-old-strict": replace(_RDP_ONLY, refusal=FailureCode.SSL_NOT_ALLOWED_BY_SERVER),
        "server-key-unusable": _at(Step.HELLO),
        "server-key-unusable-reset": _at(Step.HELLO, then=Then.RST),
        "tls-version-mismatch": replace(
            _HEALTHY, tls=Tls(oldest=TLS_1_0, newest=TLS_1_0, ciphers="ALL:@SECLEVEL=0")
        ),
        "tls-version-mismatch-alert": _at(Step.HELLO, _alert(70)),
        "tls-cipher-mismatch": _at(Step.HELLO, _alert(40)),
        "tls-cipher-mismatch-null": replace(
            _HEALTHY, tls=Tls(newest=TLS_1_2, ciphers="ECDHE-ECDSA-NULL-SHA:@SECLEVEL=0")
        ),
        "server-certificate-expired": replace(
            _HEALTHY, certificate=Certificate(starts=timedelta(days=-193), ends=timedelta(days=-10))
        ),
        "server-certificate-not-yet-valid": replace(
            _HEALTHY, certificate=Certificate(starts=timedelta(days=10), ends=timedelta(days=193))
        ),
        "server-certificate-wrong-name": replace(_HEALTHY, certificate=Certificate(name="PC-BERTA")),
        # SHA-1 would be weak too, but cryptography no longer signs with it.
        "server-certificate-weak": replace(
            _HEALTHY, certificate=Certificate(rsa_bits=1024), tls=Tls(ciphers="DEFAULT:@SECLEVEL=0")
        ),
        "nla-broken": _at(Step.TOKEN),
        "nla-broken-blocked": _at(Step.TOKEN, refusal(_NTLM_BLOCKED)),
        "nla-broken-silent": _at(Step.TOKEN, then=Then.SILENCE),
        # A healthy server: the fault is a client that is told not to offer NLA.
        "nla-required": _HEALTHY,
        "clock-skew": replace(_HEALTHY, clock_error=timedelta(minutes=7)),
        "server-limits": _at(
            Step.INFO,
            indication(session.encode_set_error_info(session.SetErrorInfo(_SERVER_DENIED_CONNECTION)))
            + _DISCONNECT,
            base=_WITHOUT_NLA,
        ),
        "server-limits-disconnect": _at(Step.CONNECT, _DISCONNECT, base=_WITHOUT_NLA),
        "server-limits-full": _at(
            Step.CONNECT,
            data_tpdu(mcs.encode_connect_response(mcs.ConnectResponse(result=mcs.Result.TOO_MANY_USERS))),
            base=_WITHOUT_NLA,
        ),
        "server-licensing": _at(
            Step.INFO, indication(session.encode_license_error(_NO_LICENSE_SERVER)), base=_WITHOUT_NLA
        ),
        "server-flood": _at(Step.REQUEST, _BIG_PACKET, Then.FLOOD),
        "server-flood-tls": _at(Step.HELLO, _BIG_RECORD, Then.FLOOD),
        "server-trickle": replace(
            _HEALTHY,
            stop=Stop(
                at=Step.REQUEST,
                say=negotiation.confirm(Protocol.HYBRID_EX),
                then=Then.SILENCE,
                pause_s=1.0,
            ),
        ),
        # One lie for each layer; the first promises 65,535 bytes and brings 19.
        "server-garbage": _at(
            Step.REQUEST, b"\x03\x00\xff\xff" + negotiation.confirm(Protocol.HYBRID)[4:], Then.SILENCE
        ),
        "server-garbage-confirm": _at(
            Step.REQUEST, negotiation.confirm(Protocol.HYBRID)[:11] + b"\x7f\xff\xff\xff" + bytes(4)
        ),
        "server-garbage-tls": _at(Step.HELLO, b"\x16\x03\x03\xff\xff" + bytes(range(256))),
        "server-garbage-nla": _at(Step.TOKEN, _LYING_TOKEN),
        "server-garbage-mcs": _at(
            Step.CONNECT, data_tpdu(b"\x7f\x66\x82\xff\xff\x0a\x01\x00"), base=_WITHOUT_NLA
        ),
    }
)
"""Every fault that can be shown, by name."""
