"""The way is an RD Gateway: not there, with a certificate that clients refuse, or not the one that people believe it is."""

from datetime import timedelta

from core.demo.faults import Certificate
from tests.lab import topology
from tests.lab.actions import Hook, Names, NoServer, Wan, drop, reject
from tests.lab.rd_gateway import GATEWAY_HOST, GATEWAY_PORT, OPTIONS, Door, RdGateway, gateway_names
from tests.lab.scenario import Scenario
from tests.lab.topology import At

_KNOWS_NOBODY = "the scripted gateway knows no user, so the log-on of xfreerdp ends there"
_ACCEPTS = (
    "xfreerdp is told to accept any certificate; Windows refuses that of a gateway (0x3000003, 0x3000006)"
)


def _certificate(name: str = GATEWAY_HOST, *, starts: int = -30, ends: int = 153) -> Certificate:
    return Certificate(name=name, starts=timedelta(days=starts), ends=timedelta(days=ends))


SCENARIOS = (
    Scenario(
        name="healthy-gateway",
        cause=None,
        broken=(gateway_names(), RdGateway(), Wan(delay_ms=10)),
        options=OPTIONS,
        accept=("unknown",),
        why="what lies behind a gateway cannot be seen without a log-on",
        unfelt=_KNOWS_NOBODY,
    ),
    Scenario(
        name="healthy-gateway-rpc-only",
        cause=None,
        broken=(gateway_names(), RdGateway(door=Door.OLD_ONLY)),
        options=OPTIONS,
        accept=("unknown",),
        why="what lies behind a gateway cannot be seen without a log-on",
        unfelt=_KNOWS_NOBODY,
    ),
    Scenario(
        name="healthy-gateway-token",
        cause=None,
        broken=(gateway_names(), RdGateway(door=Door.TOKEN, certificate=_certificate("*.example.net"))),
        options=OPTIONS,
        accept=("unknown",),
        why="what lies behind a gateway cannot be seen without a log-on",
        unfelt=_KNOWS_NOBODY,
    ),
    Scenario(
        name="gateway-closed",
        cause="gateway-not-answering",
        broken=(gateway_names(), NoServer()),
        options=OPTIONS,
        ci=True,
    ),
    Scenario(
        name="gateway-port-dropped",
        cause="gateway-not-answering",
        broken=(gateway_names(), RdGateway(), drop(port=GATEWAY_PORT, hook=Hook.IN)),
        options=OPTIONS,
    ),
    Scenario(
        name="gateway-prohibited-at-home",
        cause="gateway-not-answering",
        broken=(gateway_names(), RdGateway(), reject(At.ROUTER, port=GATEWAY_PORT)),
        options=OPTIONS,
    ),
    Scenario(
        name="gateway-nobody-there",
        cause="gateway-not-answering",
        broken=(gateway_names(topology.NOBODY), RdGateway()),
        options=OPTIONS,
    ),
    Scenario(
        name="gateway-name-unknown",
        cause="gateway-not-answering",
        broken=(Names(records={}), RdGateway()),
        options=OPTIONS,
        ci=True,
    ),
    Scenario(
        name="gateway-without-tls",
        cause="gateway-not-answering",
        broken=(gateway_names(), RdGateway(plain=True, door=Door.PLAIN_WEB)),
        options=OPTIONS,
        accept=("gateway-refuses",),
        why="something without TLS on its port is no gateway: it neither answers as one nor lets anybody in",
    ),
    Scenario(
        name="gateway-certificate-expired",
        cause="gateway-certificate",
        broken=(gateway_names(), RdGateway(certificate=_certificate(starts=-193, ends=-10))),
        options=OPTIONS,
        unfelt=_ACCEPTS,
        ci=True,
    ),
    Scenario(
        name="gateway-certificate-wrong-name",
        cause="gateway-certificate",
        broken=(gateway_names(), RdGateway(certificate=_certificate("rdgw01.corp.example"))),
        options=OPTIONS,
        unfelt=_ACCEPTS,
    ),
    Scenario(
        name="gateway-certificate-of-tomorrow",
        cause="gateway-certificate",
        broken=(gateway_names(), RdGateway(certificate=_certificate(starts=1))),
        options=OPTIONS,
        unfelt=_ACCEPTS,
    ),
    *(
        Scenario(
            name=f"gateway-{door}",
            cause="gateway-refuses",
            broken=(gateway_names(), RdGateway(door=door)),
            options=OPTIONS,
            ci=door is Door.STOPPED,
        )
        for door in (
            Door.STOPPED,
            Door.PLAIN_WEB,
            Door.FORBIDDEN,
            Door.METHOD_BLOCKED,
            Door.PORTAL,
            Door.SENT_AWAY,
            Door.HANGS_UP,
        )
    ),
)
