"""The first dozen: one of each kind, the ones to look at before writing others."""

from tests.lab import topology
from tests.lab.actions import (
    BadNames,
    Behaviour,
    Hook,
    HostOff,
    Hosts,
    Ip,
    Names,
    NoServer,
    Shadow,
    Wan,
    Xrdp,
    drop,
)
from tests.lab.scenario import Scenario
from tests.lab.topology import At
from tests.support.servers import Keys

SCENARIOS = (
    Scenario(name="healthy-xrdp", cause=None, broken=(Wan(delay_ms=10),), ci=True),
    Scenario(name="healthy-nla", cause=None, broken=(Shadow(),), ci=True),
    Scenario(
        name="certificate-expired",
        cause="server-certificate-expired",
        broken=(Xrdp(keys=Keys.EXPIRED),),
        unfelt="xfreerdp is told to accept any certificate; Windows asks, or refuses where NLA and policy demand it",
        ci=True,
    ),
    Scenario(name="port-dropped-at-gateway", cause="port-filtered", broken=(drop(),), ci=True),
    Scenario(name="host-off", cause="host-not-answering", broken=(HostOff(),), ci=True),
    Scenario(name="refused", cause="port-closed", broken=(NoServer(),), ci=True),
    Scenario(name="name-unknown", cause="name-not-found", broken=(Names(records={}),), ci=True),
    Scenario(
        name="name-server-silent",
        cause="name-server-not-answering",
        broken=(BadNames(behaviour=Behaviour.SILENT),),
        ci=True,
    ),
    Scenario(
        name="hosts-line-stale",
        cause="hosts-file-override",
        broken=(Hosts(line=f"{topology.NOBODY} {topology.HOST}"),),
    ),
    Scenario(name="mtu-hole", cause="mtu-black-hole", broken=(Wan(mtu=600),), ci=True),
    Scenario(
        name="client-firewall-drops",
        cause="client-firewall-blocks",
        broken=(drop(At.CLIENT, hook=Hook.OUT),),
    ),
    Scenario(name="no-default-route", cause="no-route", broken=(Ip(commands=("route del default",)),)),
)
