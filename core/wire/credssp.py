"""CredSSP TSRequest: the envelope in which NLA carries its tokens (MS-CSSP 2.2.1).

Only the first message of a client can be built here. The fields that prove or carry a secret (authInfo, pubKeyAuth)
are read from servers and never written.
"""

from typing import Final

import msgspec

from core.wire import der
from core.wire.errors import WireError

VERSION: Final = 6
"""The version that this client announces: the newest of MS-CSSP, as patched Windows clients do."""


class TsRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One TSRequest of a server.

    `version` is the highest that the server speaks. `error_code` is an NTSTATUS or an SSPI HRESULT as an unsigned
    32-bit number; servers send it from version 3 on.
    """

    version: int
    nego_tokens: tuple[bytes, ...] = ()
    auth_info: bytes | None = None
    pub_key_auth: bytes | None = None
    error_code: int | None = None
    client_nonce: bytes | None = None


def encode_negotiate(ntlm_negotiate: bytes, version: int = VERSION) -> bytes:
    """The first TSRequest of a client: its version and one token."""
    token = der.encode(der.explicit(0), der.encode(der.OCTET_STRING, ntlm_negotiate))
    tokens = der.encode(der.SEQUENCE, der.encode(der.SEQUENCE, token))
    return der.encode(
        der.SEQUENCE,
        der.encode(der.explicit(0), der.encode_integer(version)),
        der.encode(der.explicit(1), tokens),
    )


def expected_length(data: bytes) -> int | None:
    """How many bytes the TSRequest that begins with `data` has in all; None until that can be told.

    Raises:
        WireError: this is no TSRequest, or it promises more than 64 KB.
    """
    if data and data[0] != der.SEQUENCE:
        raise WireError(f"a TSRequest does not begin with {data[0]:#04x}")
    return der.total_length(data)


def parse(data: bytes) -> TsRequest:
    """Read exactly one TSRequest; fields that MS-CSSP does not know are skipped.

    Raises:
        WireError: malformed, without version, or followed by other bytes.
    """
    fields = dict(der.elements(der.only(data, der.SEQUENCE)))
    version = _integer(fields, 0)
    if version is None:
        raise WireError("TSRequest without version")
    error_code = _integer(fields, 4)
    return TsRequest(
        version=version,
        nego_tokens=_nego_tokens(fields.get(der.explicit(1))),
        auth_info=_octets(fields, 2),
        pub_key_auth=_octets(fields, 3),
        # An NTSTATUS with its top bit set arrives as a negative INTEGER from some servers, as five bytes from others.
        error_code=None if error_code is None else error_code & 0xFFFFFFFF,
        client_nonce=_octets(fields, 5),
    )


def _nego_tokens(body: bytes | None) -> tuple[bytes, ...]:
    if body is None:
        return ()
    tokens: list[bytes] = []
    for tag, nego_data in der.elements(der.only(body, der.SEQUENCE)):
        if tag != der.SEQUENCE:
            raise WireError(f"negoTokens hold a tag {tag:#x}")
        tokens.append(der.only(der.only(nego_data, der.explicit(0)), der.OCTET_STRING))
    return tuple(tokens)


def _integer(fields: dict[int, bytes], number: int) -> int | None:
    body = fields.get(der.explicit(number))
    return None if body is None else der.integer(der.only(body, der.INTEGER))


def _octets(fields: dict[int, bytes], number: int) -> bytes | None:
    body = fields.get(der.explicit(number))
    return None if body is None else der.only(body, der.OCTET_STRING)
