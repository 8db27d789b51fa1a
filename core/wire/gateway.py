"""RD Gateway over HTTPS: the opening requests without credentials, and what their answers mean.

MS-TSGU 3.3.5.1 (HTTP and WebSocket transport) and MS-RPCH (RPC over HTTP, the only one before Windows Server
2012). Both requests stop before anything that names a user; the NTLM step sends a NEGOTIATE message only.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Final
from uuid import UUID

import msgspec

from core.wire.errors import WireError

MAX_HEAD: Final = 16 * 1024
HTTPS_PORT: Final = 443

_NTLM_CHALLENGE: Final = b"NTLMSSP\0\x02\0\0\0"  # MS-NLMP 2.2.1.2: signature, MessageType 2
_RPC_RESOURCE: Final = UUID("44e265dd-7daf-42cd-8560-3cdb6e7a2729")  # MS-RPCH: the resource type of TSGU

_HOST: Final = re.compile(r"[0-9A-Za-z_.:%-]{1,300}")
_HEAD_END: Final = re.compile(rb"\r?\n\r?\n")
_STATUS_LINE: Final = re.compile(r"HTTP/1\.[01] ([1-9][0-9]{2})(?: (.*))?")
_FOLD: Final = re.compile(r"\r?\n[ \t]+")
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")
_BODY_HEADERS: Final = ("content-type", "content-length", "transfer-encoding")
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"?', re.DOTALL)


class GatewayAnswer(StrEnum):
    """What the answer to a request without credentials says about a gateway."""

    ALIVE_AUTH = "alive-auth"
    """A gateway that asks for Windows authentication."""
    ALIVE_TOKEN = "alive-token"  # noqa: S105 - no secret
    """A gateway that opened the transport at once: a token or cookie comes later, inside it."""
    WEB_PORTAL = "web-portal"
    """A page for people, or the way to one: a log-on portal stands in front."""
    NOT_A_GATEWAY = "not-a-gateway"
    """This transport does not exist there. Another one may."""
    VERB_BLOCKED = "verb-blocked"
    """Something in front does not let RD Gateway's own HTTP methods through."""
    STOPPED = "stopped"
    """The web server runs and the gateway service behind it does not."""
    OTHER = "other"


class HttpAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The head of an HTTP/1.x answer.

    Attributes:
        headers: (name in lower case, value) in the order of arrival, repeated names included.
        body_start: what had come with the last bytes of the head.
    """

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body_start: bytes

    def values(self, name: str) -> tuple[str, ...]:
        """All values of one header; `name` in any case."""
        wanted = name.lower()
        return tuple(value for known, value in self.headers if known == wanted)


def websocket_request(
    host: str, *, connection_id: UUID, port: int = HTTPS_PORT, negotiate: bytes | None = None
) -> bytes:
    """RDG_OUT_DATA in its WebSocket form (MS-TSGU 2.2.3.1.1, 4.2.1), as current clients send it first.

    Args:
        host: name or address without brackets; it may come from a file, so it is checked.
        connection_id: random; its bytes are the WebSocket nonce as well.
        port: shown to the server where it is not 443.
        negotiate: an NTLM NEGOTIATE message for the second step.

    Raises:
        WireError: `host` is no host name.
    """
    return _request(
        "RDG_OUT_DATA /remoteDesktopGateway/",
        ("Cache-Control", "no-cache"),
        ("Connection", "Upgrade"),
        ("Pragma", "no-cache"),
        ("Accept", "*/*"),
        ("User-Agent", "MS-RDGateway/1.0"),
        ("Host", _authority(host, port)),
        ("RDG-Connection-Id", f"{{{connection_id}}}"),
        ("Upgrade", "websocket"),
        ("Sec-Websocket-Version", "13"),
        ("Sec-Websocket-Key", base64.b64encode(connection_id.bytes).decode()),
        negotiate=negotiate,
    )


def rpc_request(
    host: str, *, session_id: UUID, port: int = HTTPS_PORT, negotiate: bytes | None = None
) -> bytes:
    """RPC_OUT_DATA of RPC over HTTP, for gateways without the HTTP transport. Arguments as above."""
    return _request(
        "RPC_OUT_DATA /rpc/rpcproxy.dll?localhost:3388",
        ("Cache-Control", "no-cache"),
        ("Connection", "Keep-Alive"),
        ("Pragma", f"ResourceTypeUuid={_RPC_RESOURCE}, SessionId={session_id}"),
        ("Accept", "application/rpc"),
        ("User-Agent", "MSRPC"),
        ("Host", _authority(host, port)),
        negotiate=negotiate,
    )


class HeadReader:
    """Collects an HTTP/1.x answer until its head is complete (RFC 9112). Interim answers are read over.

    `http.client` wants a blocking file and `email.parser` splits lines at more than line ends, so a
    stranger's answer is read here, strict in the status line and forgiving in the rest.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._scanned = 0
        self._allowance = MAX_HEAD

    def feed(self, data: bytes) -> HttpAnswer | None:
        """Take the next bytes; the answer as soon as its head is whole, None until then.

        Raises:
            WireError: this is not HTTP/1.x, or the heads together are longer than MAX_HEAD.
        """
        self._buffer += data
        while True:
            if not self._buffer.startswith(b"HTTP/"[: len(self._buffer)]):
                raise WireError("not an HTTP answer")
            end = _HEAD_END.search(self._buffer, self._scanned)
            if (end.end() if end else len(self._buffer)) > self._allowance:
                raise WireError(f"HTTP head longer than {MAX_HEAD} bytes")
            if end is None:
                self._scanned = max(0, len(self._buffer) - 3)
                return None
            status, reason, headers = _parse_head(self._buffer[: end.start()].decode("latin-1"))
            del self._buffer[: end.end()]
            self._scanned = 0
            self._allowance -= end.end()
            # RFC 9110 15.2: any number of 1xx may come first; 101 is the only final one of them.
            if status == 101 or status >= 200:
                return HttpAnswer(
                    status=status, reason=reason, headers=headers, body_start=bytes(self._buffer)
                )


def classify(answer: HttpAnswer) -> GatewayAnswer:
    """Name what answered a request without credentials. Pure; nothing certain follows from OTHER."""
    match answer.status:
        case 401 if {"negotiate", "ntlm"}.intersection(auth_schemes(answer)):
            return GatewayAnswer.ALIVE_AUTH
        case 101:
            return GatewayAnswer.ALIVE_TOKEN
        case 200 if _is_page(answer):
            return GatewayAnswer.WEB_PORTAL
        # MS-TSGU 3.3.5.1: the gateway's 200 carries random bytes and says neither their type nor their length.
        case 200 if not any(answer.values(name) for name in _BODY_HEADERS):
            return GatewayAnswer.ALIVE_TOKEN
        case 301 | 302 | 303 | 307 | 308:
            return GatewayAnswer.WEB_PORTAL
        case 403 | 404 | 410:
            return GatewayAnswer.NOT_A_GATEWAY
        case 400 | 405 | 501:
            return GatewayAnswer.VERB_BLOCKED
        case 503:
            return GatewayAnswer.STOPPED
        case _:
            return GatewayAnswer.OTHER


def auth_schemes(answer: HttpAnswer) -> tuple[str, ...]:
    """The authentication schemes offered, in lower case, each once, in the order of the answer."""
    return tuple(dict.fromkeys(scheme for scheme, _ in _challenges(answer)))


def ntlm_challenge(answer: HttpAnswer) -> bytes | None:
    """The NTLM CHALLENGE message in WWW-Authenticate; None where the answer brings no token.

    Raises:
        WireError: there is a token and it is no CHALLENGE.
    """
    for scheme, text in _challenges(answer):
        if scheme == "ntlm" and text:
            try:
                token = base64.b64decode(text, validate=True)
            except (binascii.Error, ValueError):
                raise WireError("the NTLM token is not base64") from None
            if not token.startswith(_NTLM_CHALLENGE):
                raise WireError("the NTLM token is not a CHALLENGE message")
            return token
    return None


def _authority(host: str, port: int) -> str:
    if not _HOST.fullmatch(host):
        raise WireError("the gateway's name is not a host name")
    shown = f"[{host}]" if ":" in host else host
    return shown if port == HTTPS_PORT else f"{shown}:{port}"


def _request(target: str, *headers: tuple[str, str], negotiate: bytes | None) -> bytes:
    lines = [f"{target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers), "Content-Length: 0"]
    if negotiate is not None:
        lines.append(f"Authorization: NTLM {base64.b64encode(negotiate).decode()}")
    return "\r\n".join((*lines, "", "")).encode("ascii")


def _parse_head(head: str) -> tuple[int, str, tuple[tuple[str, str], ...]]:
    first, *rest = _FOLD.sub(" ", head).split("\n")
    status_line = _STATUS_LINE.fullmatch(first.rstrip("\r"))
    if status_line is None:
        raise WireError("not an HTTP/1.x status line")
    headers = []
    for line in rest:
        name, colon, value = line.partition(":")
        if colon and _TOKEN.fullmatch(name):
            headers.append((name.lower(), value.strip()))
    return int(status_line[1]), (status_line[2] or "").strip(), tuple(headers)


def _challenges(answer: HttpAnswer) -> Iterator[tuple[str, str]]:
    """(scheme, token or parameters) of every challenge; one header may hold several (RFC 9110 11.6.1)."""
    for value in answer.values("www-authenticate"):
        for part in _QUOTED.sub('""', value).split(","):
            scheme, _, rest = part.strip().partition(" ")
            rest = rest.lstrip()
            # `realm=x` and `realm = x` continue the challenge before them.
            if _TOKEN.fullmatch(scheme) and not rest.startswith("="):
                yield scheme.lower(), rest


def _is_page(answer: HttpAnswer) -> bool:
    kinds = answer.values("content-type")
    return any("html" in kind.lower() for kind in kinds) or answer.body_start.lstrip().startswith(b"<")
