"""The server's half of X.224: Connection Request in, Connection Confirm out (MS-RDPBCGR 2.2.1.1, 2.2.1.2)."""

from core.wire.errors import WireError
from core.wire.x224 import FailureCode, Protocol, ResponseFlag

_CONNECTION_REQUEST = 0xE0
_FIXED = 7  # LI, code, two references of 2 bytes, class (X.224 13.3)
_NEG_LENGTH = 8
_SOURCE = b"\x12\x34"  # what Windows puts there


def requested_protocols(tpdu: bytes) -> Protocol:
    """What the client asks for; Standard RDP Security if it brings no RDP_NEG_REQ, as very old clients do.

    Args:
        tpdu: a TPDU without its TPKT header.

    Raises:
        WireError: this is no Connection Request.
    """
    if len(tpdu) < _FIXED or tpdu[1] & 0xF0 != _CONNECTION_REQUEST:
        raise WireError("no X.224 Connection Request")
    variable = tpdu[_FIXED:]
    if variable.startswith(b"Cookie: "):
        variable = variable.partition(b"\r\n")[2]
    if len(variable) < _NEG_LENGTH or variable[0] != 1:
        return Protocol.RDP
    return Protocol(int.from_bytes(variable[4:8], "little"))


def confirm(selected: Protocol | None) -> bytes:
    """A Connection Confirm in its TPKT packet, for None without negotiation data, as of very old servers."""
    if selected is None:
        return _confirm(b"")
    flags = ResponseFlag.EXTENDED_CLIENT_DATA_SUPPORTED | ResponseFlag.DYNVC_GFX_PROTOCOL_SUPPORTED
    return _confirm(bytes((2, flags, _NEG_LENGTH, 0)) + int(selected).to_bytes(4, "little"))


def failure(code: FailureCode) -> bytes:
    """A Connection Confirm that carries an RDP_NEG_FAILURE, in its TPKT packet."""
    return _confirm(bytes((3, 0, _NEG_LENGTH, 0)) + int(code).to_bytes(4, "little"))


def _confirm(negotiation: bytes) -> bytes:
    tpdu = b"\xd0\x00\x00" + _SOURCE + b"\x00" + negotiation
    return bytes((3, 0)) + (len(tpdu) + 5).to_bytes(2, "big") + bytes((len(tpdu),)) + tpdu
