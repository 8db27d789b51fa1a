"""Something on the way takes part in the conversation."""

from tests.lab.actions import Scripted, Shadow
from tests.lab.middlebox import Inspect, drop_tls, reset_after, reset_tls
from tests.lab.scenario import Scenario

_SAME = "a server that drops the handshake and a box that does it in its name look the same from the client"

SCENARIOS = (
    Scenario(
        name="tls-inspected",
        cause="tls-intercepted",
        broken=(Shadow(), Inspect()),
    ),
    Scenario(
        name="tls-inspected-by-a-known-box",
        cause="tls-intercepted",
        broken=(Inspect(issuer="FortiGate CA"),),
        unfelt="xfreerdp is told to accept any certificate, and without NLA nothing is bound to it",
        ci=True,
    ),
    Scenario(
        name="tls-reset-on-the-way",
        cause="connection-cut-midway",
        broken=(reset_tls(),),
        accept=("server-key-unusable",),
        why=_SAME,
    ),
    Scenario(
        name="tls-dropped-on-the-way",
        cause="connection-cut-midway",
        broken=(drop_tls(),),
        accept=("server-key-unusable",),
        why=_SAME,
    ),
    Scenario(
        name="key-unusable",
        cause="server-key-unusable",
        broken=(Scripted(script="server-key-unusable"),),
        accept=("connection-cut-midway",),
        why=_SAME,
        ci=True,
    ),
    Scenario(
        name="reset-in-mid-tls",
        cause="connection-cut-midway",
        broken=(reset_after(1500),),
        accept=("server-key-unusable", "server-limits"),
        why="how far the conversation gets depends on its size, and a server may end it there too",
    ),
)
