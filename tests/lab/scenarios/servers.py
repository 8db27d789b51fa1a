"""The way is free, and the other PC is at fault: its port, its first words, its TLS, its certificate, NLA, sessions."""

import sys
from datetime import timedelta

from msgspec.structs import replace

from core.demo.faults import FAULTS, Certificate, Script, Step, Stop, Then, indication, refusal
from core.wire import credssp, mcs, session
from core.wire.ntlm import encode_challenge
from core.wire.x224 import data_tpdu
from tests.lab import topology
from tests.lab.actions import (
    Clock,
    Hook,
    Names,
    Nft,
    NoServer,
    Scripted,
    Shadow,
    Wan,
    Xrdp,
)
from tests.lab.programs import Frozen, Program
from tests.lab.scenario import Scenario
from tests.lab.topology import At
from tests.support.servers import Keys

_ANY_CERTIFICATE = (
    "xfreerdp is told to accept any certificate; Windows asks, or refuses where policy wants it"
)
_OLD_IS_SPOKEN = (
    "xfreerdp speaks Standard RDP Security without asking; Windows warns, or refuses where NLA is a must"
)
_MANY_SUITES = "OpenSSL in xfreerdp knows this suite; Schannel does not offer it"
_NO_USER = "the scripted server knows no user: xfreerdp's password is refused"
_NLA_HERE = "xfreerdp gets no .rdp file and does offer NLA"
_NO_KERBEROS = "the clocks matter to Kerberos, and xfreerdp uses NTLM here"

_FILES = "tests/lab/rdp_files"
_HERE = f"{topology.HOST}:3390"

_HEALTHY = Script()
_WITHOUT_NLA = FAULTS["healthy-tls"]
_ALERT_INTERNAL_ERROR = bytes((21, 3, 3, 0, 2, 2, 80))  # RFC 8446 6.2: what Schannel says without its key
_DISCONNECT_REQUEST = bytes((3, 0, 0, 11, 6, 0x80, 0, 0, 0x12, 0x34, 0))  # X.224 13.5
_INFO_DENIED_NO_RIGHT = 9  # MS-RDPBCGR 2.2.5.1.1, ERRINFO_SERVER_INSUFFICIENT_PRIVILEGES
_NO_AUTHENTICATING_AUTHORITY = 0x80090311  # MS-ERREF 2.1: no domain controller to ask
_INFO_LICENSE_INTERNAL = 0x100  # the same, ERRINFO_LICENSE_INTERNAL

# A port forwarding whose other end is gone: it accepts, finds nobody, and closes.
_FORWARD_TO_NOBODY = (
    "import socket\n"
    "listener = socket.create_server(('', 3389))\n"
    "while True:\n"
    "    client, _ = listener.accept()\n"
    "    try:\n"
    "        socket.create_connection(('127.0.0.1', 4), 2)\n"
    "    except OSError:\n"
    "        client.close()\n"
)
# A hung service whose queue of connections, two long, is full.
_FULL_QUEUE = (
    "import socket, time\n"
    "listener = socket.create_server(('', 3389), backlog=1)\n"
    "waiting = [socket.create_connection(('127.0.0.1', 3389)) for _ in range(2)]\n"
    "time.sleep(600)\n"
)


def _stops(at: Step, say: bytes = b"", then: Then = Then.FIN, *, base: Script = _HEALTHY) -> Scripted:
    return Scripted(script=replace(base, stop=Stop(at=at, say=say, then=then)))


def _says(error: session.SetErrorInfo) -> bytes:
    return indication(session.encode_set_error_info(error))


_PORT = (
    Scenario(
        name="closed-while-it-listens-on-another-port",
        cause="port-closed",
        broken=(Xrdp(port=3390),),
        ci=True,
    ),
    Scenario(
        name="closed-on-ipv6-alone",
        cause="port-closed",
        broken=(Shadow(), Names(records={topology.HOST: (topology.SERVER_V6,)})),
        ci=True,
    ),
    Scenario(
        name="closed-behind-a-port-forwarding",
        cause="port-closed",
        broken=(NoServer(), Wan(delay_ms=20)),
        target=topology.PUBLIC_HOST,
    ),
    Scenario(
        name="closed-on-a-lossy-line",
        cause="port-closed",
        broken=(NoServer(), Wan(loss=0.05, delay_ms=15)),
    ),
    Scenario(
        name="healthy-refused-on-ipv6-open-on-ipv4",
        cause=None,
        broken=(Shadow(), Names(records={topology.HOST: (topology.SERVER_V6, topology.SERVER)})),
    ),
)

_FIRST_WORDS = (
    Scenario(
        name="stranger-http",
        cause="not-rdp",
        broken=(Program(command=(sys.executable, "-m", "http.server", "8080"), port=8080),),
        target=f"{topology.HOST}:8080",
        ci=True,
    ),
    Scenario(name="stranger-ssh", cause="not-rdp", broken=(Scripted(script="not-rdp-ssh"),)),
    Scenario(name="stranger-https", cause="not-rdp", broken=(Scripted(script="not-rdp-tls"),), ci=True),
    Scenario(
        name="stranger-name-server",
        cause="not-rdp",
        broken=(
            Program(
                command=(
                    "dnsmasq",
                    "-k",
                    "-C",
                    "/dev/null",
                    "--user=root",
                    "--pid-file=",
                    "--no-resolv",
                    "--port=3389",
                )
            ),
        ),
        accept=("server-silent",),
        why="DNS over TCP takes the first two bytes for a length, waits for the rest and never says what it is",
    ),
    Scenario(
        name="stranger-x11",
        cause="not-rdp",
        broken=(
            Program(command=("Xvfb", ":5", "-noreset", "-listen", "tcp", "-nolisten", "unix"), port=6005),
        ),
        target=f"{topology.HOST}:6005",
        accept=("server-hangs-up-early",),
        why="an X server that hears no X11 closes without a word",
    ),
    Scenario(name="silent-hung-service", cause="server-silent", broken=(Frozen(),)),
    Scenario(
        name="silent-after-the-request",
        cause="server-silent",
        broken=(_stops(Step.REQUEST, then=Then.SILENCE),),
    ),
    Scenario(
        name="hangs-up-forwarding-to-nobody",
        cause="server-hangs-up-early",
        broken=(Program(command=(sys.executable, "-c", _FORWARD_TO_NOBODY)),),
        ci=True,
    ),
    Scenario(
        name="hangs-up-on-the-request",
        cause="server-hangs-up-early",
        broken=(Scripted(script="server-hangs-up-early"),),
    ),
    Scenario(
        name="hangs-up-by-a-guard",
        cause="server-hangs-up-early",
        broken=(
            Shadow(),
            Nft(at=At.SERVER, hook=Hook.IN, rule="tcp dport 3389 ct bytes > 200 reject with tcp reset"),
        ),
        accept=("connection-cut-midway",),
        why="nobody sees from here whether the machine itself resets or somebody on the way",
    ),
    Scenario(
        name="no-certificate-says-so",
        cause="server-no-certificate",
        broken=(Scripted(script="server-no-certificate"),),
        ci=True,
    ),
    Scenario(
        name="no-certificate-tls-demanded",
        cause="server-no-certificate",
        broken=(Xrdp(security="tls", keys=Keys.MISSING),),
        ci=True,
    ),
    Scenario(
        name="no-certificate-falls-back",
        cause="server-no-certificate",
        broken=(Xrdp(keys=Keys.MISSING),),
        accept=("server-security-layer-old",),
        why="without a certificate xrdp offers Standard RDP Security, as if it were set up that way",
        unfelt=_OLD_IS_SPOKEN,
    ),
    Scenario(
        name="old-security-xrdp",
        cause="server-security-layer-old",
        broken=(Xrdp(security="rdp"),),
        unfelt=_OLD_IS_SPOKEN,
        ci=True,
    ),
    Scenario(
        name="old-security-shadow",
        cause="server-security-layer-old",
        broken=(Shadow(security="rdp"),),
        unfelt=_OLD_IS_SPOKEN,
    ),
    Scenario(
        name="old-security-refuses-tls",
        cause="server-security-layer-old",
        broken=(Scripted(script="server-security-layer-old-strict"),),
        unfelt=_OLD_IS_SPOKEN,
    ),
    Scenario(
        name="stranger-vnc",
        cause="not-rdp",
        broken=(_stops(Step.ACCEPTED, b"RFB 003.008\n", Then.SILENCE),),
        ci=True,
    ),
    Scenario(
        name="stranger-mysql",
        cause="not-rdp",
        broken=(_stops(Step.ACCEPTED, b"\x4a\x00\x00\x00\x0a8.0.36\x00" + bytes(range(66)), Then.SILENCE),),
    ),
    Scenario(
        name="silent-byte-by-byte",
        cause="server-silent",
        broken=(Scripted(script="server-trickle"),),
    ),
    Scenario(
        name="hangs-up-by-disconnect-request",
        cause="server-hangs-up-early",
        broken=(_stops(Step.REQUEST, _DISCONNECT_REQUEST),),
    ),
    Scenario(
        name="healthy-one-connection-at-a-time",
        cause=None,
        broken=(
            Nft(
                at=At.SERVER,
                hook=Hook.IN,
                rule="tcp dport 3389 ct state new ct count over 1 reject with tcp reset",
            ),
        ),
    ),
    Scenario(
        name="healthy-four-connections-a-minute",
        cause=None,
        broken=(
            Shadow(),
            Nft(
                at=At.SERVER,
                hook=Hook.IN,
                rule="tcp dport 3389 ct state new limit rate over 4/minute burst 4 packets drop",
            ),
        ),
        unfelt="xfreerdp comes after the tool, which may have used up the allowance",
    ),
    Scenario(
        name="silent-with-a-full-queue",
        cause="server-silent",
        broken=(Program(command=(sys.executable, "-c", _FULL_QUEUE)),),
        accept=("port-filtered",),
        why="its kernel drops the SYN when the queue of a hung service is full, as a firewall does",
    ),
)

_SAME_END = (
    "a server that drops the handshake and a box that does it in its name look the same from the client"
)
_SAME_ALERT = "the server names no reason that only one of the two has"

_TLS = (
    Scenario(
        name="key-of-another-certificate",
        cause="server-key-unusable",
        broken=(Xrdp(keys=Keys.MISMATCHED),),
        ci=True,
    ),
    Scenario(
        name="key-unusable-reset",
        cause="server-key-unusable",
        broken=(Scripted(script="server-key-unusable-reset"),),
        accept=("connection-cut-midway",),
        why=_SAME_END,
    ),
    Scenario(
        name="key-unusable-alert",
        cause="server-key-unusable",
        broken=(_stops(Step.HELLO, _ALERT_INTERNAL_ERROR),),
        accept=("tls-version-mismatch",),
        why=_SAME_ALERT,
    ),
    Scenario(
        name="tls-one-zero-only",
        cause="tls-version-mismatch",
        broken=(Xrdp(tls="TLSv1", ciphers="ALL:@SECLEVEL=0", old_tls=True),),
        ci=True,
    ),
    Scenario(
        name="tls-one-one-only",
        cause="tls-version-mismatch",
        broken=(Xrdp(security="tls", tls="TLSv1.1", ciphers="ALL:@SECLEVEL=0", old_tls=True, port=3390),),
        target=_HERE,
    ),
    Scenario(
        name="tls-version-refused-by-alert",
        cause="tls-version-mismatch",
        broken=(Scripted(script="tls-version-mismatch-alert"),),
        ci=True,
    ),
    Scenario(
        name="suite-chacha-only",
        cause="tls-cipher-mismatch",
        broken=(Xrdp(tls="TLSv1.2", ciphers="ECDHE-RSA-CHACHA20-POLY1305"),),
        unfelt=_MANY_SUITES,
        ci=True,
    ),
    Scenario(
        name="suite-camellia-only",
        cause="tls-cipher-mismatch",
        broken=(Xrdp(tls="TLSv1.2", ciphers="CAMELLIA256-SHA"),),
    ),
    Scenario(
        name="suite-without-encryption",
        cause="tls-cipher-mismatch",
        broken=(Xrdp(tls="TLSv1.2", ciphers="NULL-SHA256:@SECLEVEL=0", old_tls=True),),
    ),
    Scenario(
        name="suite-for-another-kind-of-key",
        cause="tls-cipher-mismatch",
        broken=(Xrdp(tls="TLSv1.2", ciphers="ECDHE-ECDSA-AES256-GCM-SHA384"),),
        accept=("server-key-unusable",),
        why="its suites are for an ECDSA key and its key is RSA: suites and key do not fit each other",
    ),
    Scenario(name="healthy-newest-tls-only", cause=None, broken=(Xrdp(tls="TLSv1.3"),)),
    Scenario(
        name="tls-one-zero-only-far-away",
        cause="tls-version-mismatch",
        broken=(Scripted(script="tls-version-mismatch"), Wan(delay_ms=60)),
    ),
    Scenario(
        name="suite-refused-by-alert",
        cause="tls-cipher-mismatch",
        broken=(Scripted(script="tls-cipher-mismatch"),),
        accept=("server-key-unusable",),
        why="handshake_failure is what a server says that finds no suite for the key it has",
        ci=True,
    ),
    Scenario(
        name="key-of-another-certificate-on-a-lossy-line",
        cause="server-key-unusable",
        broken=(Xrdp(keys=Keys.MISMATCHED), Wan(delay_ms=20, loss=0.03)),
    ),
    Scenario(
        name="key-unusable-silent",
        cause="server-key-unusable",
        broken=(_stops(Step.HELLO, then=Then.SILENCE),),
        accept=("connection-cut-midway",),
        why=_SAME_END,
    ),
)

_WHOSE_CLOCK = "nothing keeps this PC's clock right, so nobody knows here which of the two is wrong"
_IN_A_YEAR = timedelta(days=365)

_CERTIFICATE = (
    Scenario(
        name="expired-behind-nla",
        cause="server-certificate-expired",
        broken=(Shadow(keys=Keys.EXPIRED),),
        unfelt=_ANY_CERTIFICATE,
        ci=True,
    ),
    Scenario(
        name="expired-on-another-port",
        cause="server-certificate-expired",
        broken=(Xrdp(security="tls", keys=Keys.EXPIRED, tls="TLSv1.2", port=3390), Wan(delay_ms=30)),
        target=_HERE,
        unfelt=_ANY_CERTIFICATE,
    ),
    Scenario(
        name="not-yet-valid-behind-nla",
        cause="server-certificate-not-yet-valid",
        broken=(Shadow(keys=Keys.NOT_YET_VALID),),
        unfelt=_ANY_CERTIFICATE,
        ci=True,
    ),
    Scenario(
        name="not-yet-valid-newest-tls",
        cause="server-certificate-not-yet-valid",
        broken=(Xrdp(keys=Keys.NOT_YET_VALID, tls="TLSv1.3"),),
        unfelt=_ANY_CERTIFICATE,
        ci=True,
    ),
    Scenario(
        name="certificate-of-the-old-name",
        cause="server-certificate-wrong-name",
        broken=(Shadow(keys=Keys.WRONG_NAME),),
        unfelt=_ANY_CERTIFICATE,
        ci=True,
    ),
    Scenario(
        name="certificate-of-the-old-name-by-address",
        cause="server-certificate-wrong-name",
        broken=(Scripted(script="server-certificate-wrong-name"),),
        target=topology.SERVER,
        unfelt=_ANY_CERTIFICATE,
    ),
    Scenario(
        name="certificate-of-the-old-name-without-nla",
        cause="server-certificate-wrong-name",
        broken=(Xrdp(keys=Keys.WRONG_NAME),),
        accept=("name-points-elsewhere", "fine"),
        why="without NLA only the certificate says who is there, and it may be made for another name on purpose",
        unfelt=_ANY_CERTIFICATE,
    ),
    Scenario(
        name="weak-sha1-and-short",
        cause="server-certificate-weak",
        broken=(Xrdp(keys=Keys.WEAK, ciphers="ALL:@SECLEVEL=0", old_tls=True),),
        unfelt=_ANY_CERTIFICATE,
        ci=True,
    ),
    Scenario(
        name="weak-key-behind-nla",
        cause="server-certificate-weak",
        broken=(Scripted(script="server-certificate-weak"),),
        unfelt=_ANY_CERTIFICATE,
    ),
    Scenario(
        name="healthy-certificate-for-the-public-name",
        cause=None,
        broken=(Scripted(script=replace(_HEALTHY, certificate=Certificate(name=topology.PUBLIC_HOST))),),
        target=topology.PUBLIC_HOST,
        unfelt=_NO_USER,
    ),
    Scenario(
        name="healthy-certificate-for-all-of-the-domain",
        cause=None,
        broken=(Scripted(script=replace(_HEALTHY, certificate=Certificate(name="*.corp.example"))),),
        unfelt=_NO_USER,
    ),
    Scenario(
        name="healthy-certificate-ends-tomorrow",
        cause=None,
        broken=(Scripted(script=replace(_HEALTHY, certificate=Certificate(ends=timedelta(days=1)))),),
        unfelt=_NO_USER,
        ci=True,
    ),
    Scenario(
        name="healthy-alias-of-the-machine",
        cause=None,
        broken=(
            Shadow(),
            Names(
                records={"remote.corp.example": (topology.HOST,), topology.HOST: (topology.SERVER,)},
            ),
        ),
        target="remote.corp.example",
    ),
)

_LOG_ON = (
    Scenario(name="nla-hangs-up", cause="nla-broken", broken=(Scripted(script="nla-broken"),), ci=True),
    Scenario(name="nla-ntlm-blocked", cause="nla-broken", broken=(Scripted(script="nla-broken-blocked"),)),
    Scenario(name="nla-says-nothing", cause="nla-broken", broken=(Scripted(script="nla-broken-silent"),)),
    Scenario(name="nla-resets", cause="nla-broken", broken=(_stops(Step.TOKEN, then=Then.RST),)),
    Scenario(
        name="nla-forbidden-by-the-file",
        cause="nla-required",
        broken=(Shadow(),),
        options=("--rdp", f"{_FILES}/without-nla.rdp"),
        unfelt=_NLA_HERE,
        ci=True,
    ),
    Scenario(
        name="nla-forbidden-by-the-file-alone",
        cause="nla-required",
        broken=(Scripted(port=3390), Wan(delay_ms=25)),
        target=f"{_FILES}/without-nla-port-3390.rdp",
        unfelt=_NLA_HERE,
    ),
    Scenario(
        name="healthy-file-with-nla",
        cause=None,
        broken=(Shadow(),),
        target=f"{_FILES}/with-nla.rdp",
    ),
    Scenario(
        name="healthy-file-without-nla-and-nobody-asks-for-it",
        cause=None,
        options=("--rdp", f"{_FILES}/without-nla.rdp"),
    ),
    Scenario(
        name="nla-no-authority",
        cause="nla-broken",
        broken=(_stops(Step.TOKEN, refusal(_NO_AUTHENTICATING_AUTHORITY)),),
    ),
    Scenario(
        name="nla-never-patched",
        cause="nla-broken",
        broken=(
            _stops(
                Step.TOKEN,
                credssp.encode_negotiate(encode_challenge(_HEALTHY.challenge), version=2),
                Then.SILENCE,
            ),
        ),
    ),
)

_SESSION = (
    Scenario(
        name="limits-denied", cause="server-limits", broken=(Scripted(script="server-limits"),), ci=True
    ),
    Scenario(name="limits-too-many", cause="server-limits", broken=(Scripted(script="server-limits-full"),)),
    Scenario(
        name="limits-no-right",
        cause="server-limits",
        broken=(_stops(Step.INFO, _says(session.SetErrorInfo(_INFO_DENIED_NO_RIGHT)), base=_WITHOUT_NLA),),
        ci=True,
    ),
    Scenario(
        name="limits-hangs-up-in-the-session",
        cause="server-limits",
        broken=(_stops(Step.CONNECT, base=_WITHOUT_NLA),),
        accept=("connection-cut-midway",),
        why="it closes without TLS's good-bye, as whoever cuts the line would have to",
    ),
    Scenario(
        name="licensing-no-server",
        cause="server-licensing",
        broken=(Scripted(script="server-licensing"),),
        ci=True,
    ),
    Scenario(
        name="licensing-by-error-info",
        cause="server-licensing",
        broken=(
            _stops(
                Step.INFO,
                _says(session.SetErrorInfo(_INFO_LICENSE_INTERNAL))
                + data_tpdu(mcs.encode_disconnect_ultimatum(mcs.Reason.PROVIDER_INITIATED)),
                base=_WITHOUT_NLA,
            ),
        ),
    ),
    Scenario(
        name="limits-sent-away",
        cause="server-limits",
        broken=(Scripted(script="server-limits-disconnect"),),
    ),
)

_TIME = (
    Scenario(
        name="skew-server-an-hour-behind",
        cause="clock-skew",
        broken=(Shadow(), Clock(ahead=timedelta(hours=-1), at=At.SERVER)),
        accept=("clock-wrong-here",),
        why=_WHOSE_CLOCK,
        unfelt=_NO_KERBEROS,
        ci=True,
    ),
    Scenario(
        name="skew-makes-the-certificate-too-new",
        cause="clock-skew",
        broken=(
            Scripted(
                script=replace(
                    _HEALTHY,
                    clock_error=_IN_A_YEAR,
                    certificate=Certificate(starts=_IN_A_YEAR - timedelta(days=2), ends=_IN_A_YEAR * 1.5),
                )
            ),
        ),
        accept=("clock-wrong-here",),
        why=_WHOSE_CLOCK,
        unfelt=_NO_KERBEROS,
    ),
    Scenario(
        name="healthy-three-minutes-apart",
        cause=None,
        broken=(Shadow(), Clock(ahead=timedelta(minutes=3), at=At.SERVER)),
    ),
)

# Two faults: the verdict is the one that stops the connection first.
_TWO_AT_ONCE = (
    Scenario(
        name="old-tls-and-weak-certificate",
        cause="tls-version-mismatch",
        broken=(Xrdp(keys=Keys.WEAK, tls="TLSv1", ciphers="ALL:@SECLEVEL=0", old_tls=True),),
    ),
    Scenario(
        name="nla-broken-and-certificate-expired",
        cause="nla-broken",
        broken=(
            Scripted(
                script=replace(FAULTS["server-certificate-expired"], stop=Stop(at=Step.TOKEN, then=Then.RST))
            ),
        ),
    ),
    Scenario(
        name="licences-gone-and-certificate-expired",
        cause="server-licensing",
        broken=(
            Scripted(
                script=replace(
                    FAULTS["server-licensing"], certificate=FAULTS["server-certificate-expired"].certificate
                )
            ),
        ),
    ),
)

SCENARIOS = (*_PORT, *_FIRST_WORDS, *_TLS, *_CERTIFICATE, *_LOG_ON, *_SESSION, *_TIME, *_TWO_AT_ONCE)
