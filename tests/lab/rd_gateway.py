"""An RD Gateway in front of the server: the front door only, which is as far as a check without a password goes.

No free RD Gateway is to be had. The answers are those of MS-TSGU 3.3.5.1 and of the web servers that stand where a
gateway ought to be; nobody gets past the log-on.
"""

import pickle
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from core.demo.faults import Certificate
from tests.lab import topology
from tests.lab.actions import Names, Server
from tests.lab.topology import At

if TYPE_CHECKING:
    from tests.lab.lab import Lab

GATEWAY_HOST: Final = "gateway.example.net"
GATEWAY_PORT: Final = 443
_ADDRESS: Final = topology.GATEWAY_WAN

OPTIONS: Final = ("--gateway", GATEWAY_HOST)
"""The words of the command line that send the connection through it."""


def gateway_names(address: str = _ADDRESS) -> Names:
    """The world outside: the gateway is known there, the server is not."""
    return Names(records={GATEWAY_HOST: (address,)})


def _http(status: str, *headers: str, body: bytes = b"") -> bytes:
    return (
        "\r\n".join((f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", "")).encode() + body
    )


_LOG_ON = _http("401 Unauthorized", "Server: Microsoft-HTTPAPI/2.0", "WWW-Authenticate: Negotiate",
                "WWW-Authenticate: NTLM")  # fmt: skip
_NOT_FOUND = _http(
    "404 Not Found", "Server: Microsoft-IIS/10.0", "Content-Type: text/html", body=b"<h1>404</h1>"
)
_PAGE = b"<!doctype html><title>Sign in</title><form>...</form>"
_NEW, _OLD = "RDG_OUT_DATA", "RPC_OUT_DATA"


class Door(StrEnum):
    """How the gateway answers a stranger."""

    LOG_ON = "log-on"
    """As it should: it asks for Windows authentication."""
    OLD_ONLY = "old-only"
    """A gateway of Windows Server 2008 R2: RPC over HTTP, and nothing else."""
    TOKEN = "token"
    """It opens the WebSocket at once: who may in is decided there."""
    STOPPED = "stopped"
    """HTTP.sys answers, and the service behind it does not run."""
    PLAIN_WEB = "plain-web"
    """A web server that has never heard of gateways."""
    FORBIDDEN = "forbidden"
    METHOD_BLOCKED = "method-blocked"
    PORTAL = "portal"
    """A page for people in front of everything."""
    SENT_AWAY = "sent-away"
    """A redirection to a log-on page."""
    HANGS_UP = "hangs-up"


_ANSWERS: Final[dict[Door, dict[str, bytes]]] = {
    Door.LOG_ON: {_NEW: _LOG_ON, _OLD: _LOG_ON},
    Door.OLD_ONLY: {_NEW: _NOT_FOUND, _OLD: _LOG_ON},
    Door.TOKEN: {
        _NEW: b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        _OLD: _NOT_FOUND,
    },
    Door.STOPPED: dict.fromkeys((_NEW, _OLD), _http("503 Service Unavailable", "Server: Microsoft-HTTPAPI/2.0")),
    Door.PLAIN_WEB: {_NEW: _NOT_FOUND, _OLD: _NOT_FOUND},
    Door.FORBIDDEN: dict.fromkeys((_NEW, _OLD), _http("403 Forbidden", "Server: Microsoft-IIS/10.0")),
    Door.METHOD_BLOCKED: dict.fromkeys(
        (_NEW, _OLD), _http("405 Method Not Allowed", "Server: nginx", "Allow: GET, HEAD, POST")
    ),
    Door.PORTAL: dict.fromkeys((_NEW, _OLD), _http("200 OK", "Content-Type: text/html; charset=utf-8", body=_PAGE)),
    Door.SENT_AWAY: dict.fromkeys((_NEW, _OLD), _http("302 Found", "Location: https://login.example.net/")),
    Door.HANGS_UP: {},
}  # fmt: skip


class RdGateway(Server, frozen=True, kw_only=True):
    """The gateway, on the corporate gateway's public address. It takes the place of a server: without one there is none.

    Attributes:
        plain: HTTP without TLS on its port.
    """

    door: Door = Door.LOG_ON
    certificate: Certificate = Certificate(name=GATEWAY_HOST)
    plain: bool = False
    port: int = GATEWAY_PORT

    def apply(self, lab: "Lab") -> None:
        data = pickle.dumps((self.certificate, _ANSWERS[self.door], self.plain, self.port))
        lab.spawn(At.GATEWAY, "tests.lab.gateway_program", stdin=len(data).to_bytes(4) + data)
