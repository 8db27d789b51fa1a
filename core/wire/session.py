"""What a server says after MCS and before a log-on: licensing and Set Error Info (MS-RDPBCGR 2.2.1.11, 2.2.1.12, 2.2.5.1).

Every function takes or gives the contents of one MCS Send Data. This holds under TLS, where RDP itself encrypts
nothing; under Standard RDP Security the same bytes are RC4 and come out as Unknown.
"""

import struct
from enum import IntEnum, IntFlag
from typing import Final

import msgspec

from core.wire.errors import WireError


class LicenseErrorCode(IntEnum):
    """dwErrorCode of a Licensing Error Message (MS-RDPBCGR 2.2.1.12.1.3)."""

    INVALID_SERVER_CERTIFICATE = 0x1
    NO_LICENSE = 0x2
    INVALID_MAC = 0x3
    INVALID_SCOPE = 0x4
    NO_LICENSE_SERVER = 0x6
    STATUS_VALID_CLIENT = 0x7
    INVALID_CLIENT = 0x8
    INVALID_PRODUCT_ID = 0xB
    INVALID_MESSAGE_LENGTH = 0xC


class LicenseTransition(IntEnum):
    """dwStateTransition: what has to happen next."""

    TOTAL_ABORT = 1
    NO_TRANSITION = 2
    RESET_PHASE_TO_START = 3
    RESEND_LAST_MESSAGE = 4


class LicenseRequest(msgspec.Struct, frozen=True):
    """The server wants a licence from the client: licensing is alive, nothing is decided yet."""


class PlatformChallenge(msgspec.Struct, frozen=True):
    """The server goes on with licensing."""


class NewLicense(msgspec.Struct, frozen=True):
    """The server gives the client a licence, its first or a newer one."""


class LicenseError(msgspec.Struct, frozen=True):
    """The server ends licensing. The numbers are a LicenseErrorCode and a LicenseTransition, or unknown."""

    code: int
    transition: int

    @property
    def valid_client(self) -> bool:
        """The good end: no licence needed, or the client has one."""
        return self.code == LicenseErrorCode.STATUS_VALID_CLIENT


class SetErrorInfo(msgspec.Struct, frozen=True):
    """The server's reason for what follows: a code of MS-RDPBCGR 2.2.5.1.1, 0 for none."""

    code: int


class DemandActive(msgspec.Struct, frozen=True):
    """The server is past licensing and starts the session."""


class Unknown(msgspec.Struct, frozen=True):
    """Something that a check need not understand; `head` are its first bytes, for evidence."""

    head: bytes


LicenseMessage = LicenseRequest | PlatformChallenge | NewLicense | LicenseError
Indication = LicenseMessage | SetErrorInfo | DemandActive | Unknown


class _Security(IntFlag):
    """Flags of the basic security header (MS-RDPBCGR 2.2.8.1.1.2.1)."""

    ENCRYPT = 0x0008
    INFO_PKT = 0x0040
    LICENSE_PKT = 0x0080


class _License(IntEnum):
    """bMsgType (MS-RDPBCGR 2.2.1.12.1.1)."""

    LICENSE_REQUEST = 0x01
    PLATFORM_CHALLENGE = 0x02
    NEW_LICENSE = 0x03
    UPGRADE_LICENSE = 0x04
    ERROR_ALERT = 0xFF


class _Info(IntFlag):
    """Flags of the Client Info PDU that this client sets; AUTOLOGON (8) is not among them (MS-RDPBCGR 2.2.1.11.1.1)."""

    MOUSE = 0x00000001
    DISABLE_CTRL_ALT_DEL = 0x00000002
    UNICODE = 0x00000010
    MAXIMIZE_SHELL = 0x00000020
    LOGON_NOTIFY = 0x00000040
    LOGON_ERRORS = 0x00010000


_SECURITY_HEADER: Final = struct.Struct("<HH")  # flags, then two bytes that may hold anything
_LICENSING: Final = _Security.LICENSE_PKT | _Security.ENCRYPT
_PREAMBLE: Final = struct.Struct("<BBH")  # type, flags, size with this preamble
_PREAMBLE_FLAGS: Final = 0x03  # version of the licensing protocol: RDP 5.0 and newer
_SHARE_CONTROL: Final = struct.Struct("<HHH")  # size with this header, type and version, source
_SHARE_DATA: Final = struct.Struct("<IxBHBBH")  # share, stream, size from type on, type, compression, size
_DEMAND_ACTIVE: Final = 0x11
_DATA: Final = 0x17
_SHARE_TYPES: Final = frozenset({_DEMAND_ACTIVE, 0x13, 0x16, _DATA, 0x1A})  # confirm, deactivate, redirection
_TYPE_SET_ERROR_INFO: Final = 47
_COMPRESSED: Final = 0x20
_SERVER_CHANNEL: Final = 1002
_HEAD_SIZE: Final = 16


def client_info() -> bytes:
    """Client Info PDU that names no user and asks for no automatic log-on.

    Address, folder and time zone of this PC are left empty too; xrdp and FreeRDP take it so.
    """
    # xrdp 0.9 takes the PDU for garbage unless the first four of these are set.
    flags = _Info.MOUSE | _Info.DISABLE_CTRL_ALT_DEL | _Info.UNICODE | _Info.MAXIMIZE_SHELL
    flags |= _Info.LOGON_NOTIFY | _Info.LOGON_ERRORS
    # Code page, flags; sizes of domain, user, password, shell and folder; then these five, each a terminator only.
    strings = struct.pack("<II5H", 0, flags, 0, 0, 0, 0, 0) + 5 * b"\0\0"
    # IPv4, address, folder; time zone; session id, performance flags, size of the reconnect cookie.
    extended = struct.pack("<HH2xH2x172xIIH", 2, 2, 2, 0, 0, 0)
    return _SECURITY_HEADER.pack(_Security.INFO_PKT, 0) + strings + extended


def parse_indication(payload: bytes, channel: int, io_channel: int) -> Indication:
    """Read one Send Data Indication of a server that came on `channel`.

    Raises:
        WireError: a licensing or error message is malformed.
    """
    if channel == io_channel and len(payload) >= _SHARE_CONTROL.size:
        size, kind, _ = _SHARE_CONTROL.unpack_from(payload)
        # Nothing marks which header it is. The second number of a security header may be anything; xrdp puts the
        # size of its licensing message there. A share control header states a size and a type that make sense.
        if kind in _SHARE_TYPES and size <= len(payload):
            return _share_message(payload[:size], kind)
        if size & _LICENSING == _Security.LICENSE_PKT:
            return parse_license(payload)
    return Unknown(payload[:_HEAD_SIZE])


def parse_license(payload: bytes) -> LicenseMessage:
    """Read one licensing message with its security header.

    Raises:
        WireError: it is something else, cut off, or of an unknown type.
    """
    if len(payload) < _SECURITY_HEADER.size + _PREAMBLE.size:
        raise WireError(f"licensing message of {len(payload)} bytes")
    flags, _ = _SECURITY_HEADER.unpack_from(payload)
    if flags & _LICENSING != _Security.LICENSE_PKT:
        raise WireError(f"security header {flags:#06x} announces no licensing in clear")
    kind, _, size = _PREAMBLE.unpack_from(payload, _SECURITY_HEADER.size)
    message = payload[_SECURITY_HEADER.size :]
    if not _PREAMBLE.size <= size <= len(message):
        raise WireError(f"licensing message says {size} bytes, {len(message)} are there")
    match kind:
        case _License.LICENSE_REQUEST:
            return LicenseRequest()
        case _License.PLATFORM_CHALLENGE:
            return PlatformChallenge()
        case _License.NEW_LICENSE | _License.UPGRADE_LICENSE:
            return NewLicense()
        case _License.ERROR_ALERT:
            if size < _PREAMBLE.size + 8:
                raise WireError("licensing error without its code")
            return LicenseError(*struct.unpack_from("<II", message, _PREAMBLE.size))
        case _:
            raise WireError(f"licensing message of type {kind:#04x}")


def encode_license_error(error: LicenseError) -> bytes:
    """Licensing Error Message of a server, with its security header and without details."""
    body = struct.pack("<IIHH", error.code, error.transition, 4, 0)  # an empty blob of type error
    preamble = _PREAMBLE.pack(_License.ERROR_ALERT, _PREAMBLE_FLAGS, _PREAMBLE.size + len(body))
    return _SECURITY_HEADER.pack(_Security.LICENSE_PKT, 0) + preamble + body


def encode_set_error_info(info: SetErrorInfo) -> bytes:
    """Set Error Info PDU of a server."""
    body = struct.pack("<I", info.code)
    data = _SHARE_DATA.pack(0, 1, 4 + len(body), _TYPE_SET_ERROR_INFO, 0, 0) + body
    return _SHARE_CONTROL.pack(_SHARE_CONTROL.size + len(data), _DATA, _SERVER_CHANNEL) + data


def _share_message(message: bytes, kind: int) -> Indication:
    if kind == _DEMAND_ACTIVE:
        return DemandActive()
    at = _SHARE_CONTROL.size + _SHARE_DATA.size
    if kind == _DATA and len(message) >= at:
        *_, data_type, compression, _ = _SHARE_DATA.unpack_from(message, _SHARE_CONTROL.size)
        if data_type == _TYPE_SET_ERROR_INFO and not compression & _COMPRESSED:
            if len(message) < at + 4:
                raise WireError("Set Error Info without its code")
            return SetErrorInfo(int.from_bytes(message[at : at + 4], "little"))
    return Unknown(message[:_HEAD_SIZE])
