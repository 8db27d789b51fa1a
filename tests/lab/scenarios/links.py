"""The line itself: lossy, slow, too narrow for large packets, cut in mid-conversation, opened on the way, without UDP."""

from tests.lab import topology
from tests.lab.actions import PORT, Hook, Names, Nft, Scripted, Shadow, Wan, Xrdp, drop
from tests.lab.middlebox import Inspect
from tests.lab.scenario import Scenario
from tests.lab.topology import At

_FELT_LATER = "a client gets through and stutters, or is thrown out later: that is what its user complains of"
_SMALL_UNTIL_THEN = (
    "all that a client sends until its log-on fits into small packets; a session sends larger ones"
)
_STAYS_ON_TCP = "a client stays on TCP without a word; a session is slower by that"
_ACCEPTS = "xfreerdp is told to accept any certificate, and without NLA nothing is bound to it"
_EARLY = "whoever resets in the server's name cannot be told from the server"
_EARLY_SILENCE = (
    "the request was acknowledged; whether its answer was lost or never given cannot be seen from here"
)
_IN_NLA = "whether the server hangs up in NLA or a box in its name looks the same from the client"

_REQUEST = "@ih,0,16 0x0300"
"""A TPKT header (RFC 1006): the payload begins with version 3, as an X.224 Connection Request does."""

SCENARIOS = (
    # --- Lossy
    Scenario(
        name="lossy-fifth",
        cause="link-lossy",
        broken=(Wan(delay_ms=10, loss=0.12),),
        unfelt=_FELT_LATER,
    ),
    Scenario(
        name="lossy-on-the-way-back",
        cause="link-lossy",
        broken=(Wan(delay_ms=10, loss=0.25, only="back"),),
        unfelt=_FELT_LATER,
    ),
    Scenario(
        name="lossy-wireless",
        cause="link-lossy",
        broken=(
            Nft(at=At.CLIENT, hook=Hook.IN, rule='iifname "eth0" numgen random mod 100 < 22 drop'),
            Wan(delay_ms=10),
        ),
        unfelt=_FELT_LATER,
    ),
    Scenario(
        name="lossy-in-bursts",
        cause="link-lossy",
        broken=(Wan(delay_ms=10, loss=0.15, burst=4),),
        unfelt=_FELT_LATER,
    ),
    # --- Slow
    Scenario(name="slow-satellite", cause="link-slow", broken=(Wan(delay_ms=300),), unfelt=_FELT_LATER),
    Scenario(
        name="slow-and-unsteady",
        cause="link-slow",
        broken=(Wan(delay_ms=120, jitter_ms=110),),
        unfelt=_FELT_LATER,
    ),
    Scenario(
        name="slow-narrow-band",
        cause="link-slow",
        broken=(Wan(delay_ms=20, rate_kbit=24),),
        accept=("link-lossy",),
        why="packets wait in a queue of seconds, and who waits for them that long calls them lost",
        unfelt=_FELT_LATER,
    ),
    # --- Large packets vanish
    Scenario(name="mtu-hole-nla", cause="mtu-black-hole", broken=(Shadow(), Wan(mtu=1000))),
    Scenario(
        name="mtu-hole-pppoe",
        cause="mtu-black-hole",
        broken=(Wan(mtu=1492),),
        unfelt="no packet of this server and of a client until its log-on is full; a session fills them",
    ),
    Scenario(
        name="mtu-hole-ipv6",
        cause="mtu-black-hole",
        broken=(Names(records={topology.HOST: (topology.SERVER_V6,)}), Wan(mtu=1280)),
    ),
    Scenario(
        name="mtu-hole-on-the-way-out",
        cause="mtu-black-hole",
        broken=(Wan(mtu=1300, only="out"),),
        unfelt=_SMALL_UNTIL_THEN,
    ),
    Scenario(
        name="mtu-hole-at-the-firewall",
        cause="mtu-black-hole",
        broken=(Nft(rule=f"tcp sport {PORT} meta length > 800 drop"),),
    ),
    # --- Cut in mid-conversation
    Scenario(
        name="cut-request-reset",
        cause="connection-cut-midway",
        broken=(Nft(rule=f"tcp dport {PORT} {_REQUEST} reject with tcp reset"),),
        accept=("server-hangs-up-early",),
        why=_EARLY,
        ci=True,
    ),
    Scenario(
        name="cut-request-dropped",
        cause="connection-cut-midway",
        broken=(Nft(rule=f"tcp dport {PORT} {_REQUEST} drop"),),
    ),
    Scenario(
        name="cut-silently-in-mid-conversation",
        cause="connection-cut-midway",
        broken=(Wan(delay_ms=10), Nft(rule=f"tcp dport {PORT} ct bytes > 2500 drop")),
        accept=("server-limits",),
        why="a server that falls silent after TLS looks the same from the client",
    ),
    Scenario(
        name="cut-answer-to-the-request",
        cause="connection-cut-midway",
        broken=(Nft(rule=f"tcp sport {PORT} {_REQUEST} drop"),),
        accept=("server-silent",),
        why=_EARLY_SILENCE,
    ),
    Scenario(
        name="cut-in-nla",
        cause="connection-cut-midway",
        broken=(Shadow(), Nft(rule=f"tcp dport {PORT} @ih,0,16 0x1703 reject with tcp reset")),
        accept=("nla-broken",),
        why=_IN_NLA,
    ),
    Scenario(
        name="cut-answers-of-tls",
        cause="connection-cut-midway",
        broken=(Nft(rule=f"tcp sport {PORT} @ih,0,16 0x1603 drop"),),
        accept=("server-key-unusable",),
        why="whether the server's answer was lost or never given cannot be seen from the client",
    ),
    # --- Opened on the way
    Scenario(
        name="tls-inspected-with-nla",
        cause="tls-intercepted",
        broken=(Shadow(), Inspect(issuer="Zscaler Intermediate Root CA (zscaler.net)")),
    ),
    Scenario(
        name="tls-inspected-windows-like",
        cause="tls-intercepted",
        broken=(Scripted(), Inspect(issuer="Sophos SSL CA_C1A2B3", subject="PC-ANNA")),
        unfelt="the scripted server knows no user: xfreerdp's password is refused",
        ci=True,
    ),
    Scenario(
        name="tls-inspected-far-away",
        cause="tls-intercepted",
        broken=(Inspect(issuer="ESET SSL Filter CA"), Wan(delay_ms=40)),
        unfelt=_ACCEPTS,
    ),
    # --- UDP
    Scenario(
        name="udp-prohibited",
        cause="udp-blocked",
        broken=(Scripted(), Nft(rule=f"udp dport {PORT} reject with icmpx admin-prohibited")),
        unfelt=_STAYS_ON_TCP,
    ),
    Scenario(
        name="udp-prohibited-by-its-own-firewall",
        cause="udp-blocked",
        broken=(
            Shadow(),
            Nft(at=At.SERVER, hook=Hook.IN, rule=f"udp dport {PORT} reject with icmpx admin-prohibited"),
        ),
        unfelt=_STAYS_ON_TCP,
        ci=True,
    ),
    Scenario(
        name="udp-blocked-here",
        cause="udp-blocked",
        broken=(Scripted(), drop(At.CLIENT, protocol="udp", hook=Hook.OUT)),
        unfelt=_STAYS_ON_TCP,
    ),
    Scenario(
        name="udp-refused-here",
        cause="udp-blocked",
        broken=(
            Xrdp(),
            Nft(at=At.CLIENT, hook=Hook.OUT, rule=f"udp dport {PORT} reject with icmpx admin-prohibited"),
        ),
        unfelt=_STAYS_ON_TCP,
    ),
)
