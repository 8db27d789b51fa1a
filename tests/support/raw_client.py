"""A client of blocking sockets, OpenSSL and our codecs that goes up a connection's ladder as far as a test asks."""

import contextlib
import socket
import ssl
import warnings
from typing import Self

from cryptography import x509

from core.wire import credssp, mcs, ntlm, session
from core.wire.errors import WireError
from core.wire.x224 import (
    Answer,
    ConnectionConfirm,
    Protocol,
    TpktReader,
    connection_request,
    data_tpdu,
    parse_answer,
    unwrap_data,
)

ALL = Protocol.SSL | Protocol.HYBRID | Protocol.HYBRID_EX
ASK_ALL = connection_request(ALL)
MOMENT_S = 0.15
"""How long nothing has to come to count as silence."""


class Client:
    """One connection; a method for each rung, which raises OSError where the server ends it."""

    def __init__(self, port: int, address: str = "127.0.0.1") -> None:
        self.sock: socket.socket = socket.create_connection((address, port), timeout=5)
        self.selected: Protocol | None = None
        self.user = 0
        self._tpdus = TpktReader()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def ask(self, request: bytes = ASK_ALL) -> Answer:
        """X.224."""
        self.sock.sendall(request)
        data = b""
        while True:
            data += self._some(1)
            with contextlib.suppress(WireError):
                return parse_answer(data)

    def agree(self, request: bytes = ASK_ALL) -> Protocol | None:
        """X.224 with a server that goes along; gives what it selects."""
        answer = self.ask(request)
        assert isinstance(answer, ConnectionConfirm)
        self.selected = answer.selected
        return self.selected

    def secure(self, context: ssl.SSLContext | None = None) -> None:
        """TLS, by default with what a modern client offers."""
        self.sock = (context or modern()).wrap_socket(self.sock)

    def certificate(self) -> x509.Certificate:
        """The server's, after TLS."""
        assert isinstance(self.sock, ssl.SSLSocket)
        return x509.load_der_x509_certificate(self.sock.getpeercert(binary_form=True) or b"")

    def tls_version(self) -> str | None:
        assert isinstance(self.sock, ssl.SSLSocket)
        return self.sock.version()

    def token(self) -> credssp.TsRequest:
        """CredSSP: NEGOTIATE out, CHALLENGE in."""
        self.sock.sendall(credssp.encode_negotiate(ntlm.negotiate()))
        data = b""
        while (length := credssp.expected_length(data)) is None or len(data) < length:
            data += self._some(4096)
        return credssp.parse(data)

    def connect_mcs(self) -> mcs.ConnectResponse:
        """The settings of both sides."""
        self.sock.sendall(data_tpdu(mcs.encode_connect_initial(self.selected or Protocol.RDP)))
        return mcs.parse_connect_response(self.pdu())

    def join(self, channel: int) -> None:
        """Attach a user, and join its own channel and this one."""
        self.sock.sendall(data_tpdu(mcs.ERECT_DOMAIN_REQUEST) + data_tpdu(mcs.ATTACH_USER_REQUEST))
        attached = mcs.parse_attach_confirm(self.pdu())
        assert attached.user is not None
        self.user = attached.user
        for wanted in (attached.user, channel):
            self.sock.sendall(data_tpdu(mcs.encode_join_request(attached.user, wanted)))
            assert mcs.parse_join_confirm(self.pdu()).channel == wanted

    def inform(self, channel: int) -> session.Indication:
        """Client Info PDU out, the first answer in."""
        info = mcs.encode_send_data_request(self.user, channel, session.client_info())
        self.sock.sendall(data_tpdu(info))
        answer = mcs.parse_domain_pdu(self.pdu())
        assert isinstance(answer, mcs.SendDataIndication)
        return session.parse_indication(answer.payload, answer.channel, channel)

    def pdu(self) -> bytes:
        """The next MCS PDU."""
        while True:
            for tpdu in self._tpdus.feed(self._some(self._tpdus.need)):
                return unwrap_data(tpdu)

    def rest(self) -> tuple[bytes, str]:
        """What else comes, and how it ends: fin, rst or silence."""
        self.sock.settimeout(MOMENT_S)
        data = b""
        try:
            while received := self.sock.recv(4096):
                data += received
        except TimeoutError:
            return data, "silence"
        except ConnectionResetError:
            return data, "rst"
        except ssl.SSLEOFError:  # FIN without the farewell of TLS
            return data, "fin"
        return data, "fin"

    def _some(self, most: int) -> bytes:
        data = self.sock.recv(most)
        if not data:
            raise ConnectionAbortedError("the server closed")
        return data


def modern() -> ssl.SSLContext:
    """TLS 1.2 and 1.3, any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def permissive() -> ssl.SSLContext:
    """All that this OpenSSL can do, down to TLS 1.0 and no encryption."""
    context = modern()
    context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
    return context
