"""Everything works, although it looks unusual: no verdict but "fine" is right."""

from tests.lab import topology
from tests.lab.actions import Hook, Names, Nft, Scripted, Shadow, Wan, Xrdp
from tests.lab.scenario import Scenario
from tests.lab.topology import At

SCENARIOS = (
    Scenario(name="healthy-far-away", cause=None, broken=(Wan(delay_ms=75),)),
    Scenario(name="healthy-two-percent-loss", cause=None, broken=(Wan(delay_ms=10, loss=0.02),)),
    Scenario(
        name="healthy-other-port", cause=None, broken=(Xrdp(port=3390),), target=f"{topology.HOST}:3390"
    ),
    Scenario(
        name="healthy-only-ipv6",
        cause=None,
        broken=(Names(records={topology.HOST: (topology.SERVER_V6,)}),),
    ),
    Scenario(name="healthy-by-address", cause=None, target=topology.SERVER),
    Scenario(name="healthy-public", cause=None, target=topology.PUBLIC_HOST),
    Scenario(name="healthy-tls-only", cause=None, broken=(Shadow(security="tls"),)),
    Scenario(
        name="healthy-small-mtu",
        cause=None,
        broken=(Wan(mtu=1280, tells=True),),
    ),
    Scenario(
        name="healthy-windows-like",
        cause=None,
        broken=(Scripted(), Wan(delay_ms=10)),
        unfelt="the scripted server knows no user: xfreerdp's password is refused",
    ),
    Scenario(
        name="healthy-without-echoes",
        cause=None,
        broken=(Nft(at=At.SERVER, hook=Hook.IN, rule="icmp type echo-request drop"),),
    ),
    Scenario(name="healthy-for-an-ordinary-user", cause=None, broken=(Shadow(), Wan(delay_ms=10)), user=True),
)
