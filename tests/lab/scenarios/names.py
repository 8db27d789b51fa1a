"""The name: unknown, wrong, or nobody who answers for it."""

from tests.lab import topology
from tests.lab.actions import BadNames, Behaviour, Names, NoNames, Resolv, Wan
from tests.lab.scenario import Scenario
from tests.lab.topology import At

SCENARIOS = (
    Scenario(
        name="name-server-servfail",
        cause="name-server-not-answering",
        broken=(BadNames(behaviour=Behaviour.SERVFAIL),),
    ),
    Scenario(
        name="name-server-refuses",
        cause="name-server-not-answering",
        broken=(BadNames(behaviour=Behaviour.REFUSED),),
    ),
    Scenario(name="name-server-gone", cause="name-server-not-answering", broken=(NoNames(),)),
    Scenario(
        name="name-server-wrong-id",
        cause="name-server-not-answering",
        broken=(BadNames(behaviour=Behaviour.WRONG_ID),),
    ),
    Scenario(
        name="name-server-truncates",
        cause="name-server-not-answering",
        broken=(BadNames(behaviour=Behaviour.TRUNCATED),),
    ),
    Scenario(
        name="name-server-address-wrong",
        cause="name-server-not-answering",
        broken=(Resolv(servers=("192.168.1.77",)),),
    ),
    Scenario(
        name="name-stale-nobody-there",
        cause="name-points-elsewhere",
        broken=(Names(records={topology.HOST: (topology.NOBODY,)}),),
        accept=("host-not-answering",),
        why="the only name server gives an address where nobody is; nothing says that the host has another one",
    ),
    Scenario(
        name="name-short-without-suffix",
        cause="name-not-found",
        target="pc-anna",
        accept=("name-needs-full-form",),
        why="with no search list there is no full form to try",
    ),
    Scenario(
        name="name-stale-at-one-server",
        cause="name-points-elsewhere",
        broken=(
            Names(records={topology.HOST: (topology.NOBODY,)}),
            Names(at=At.DNS),
            Resolv(servers=(topology.ROUTER, topology.DNS)),
        ),
    ),
    Scenario(
        name="healthy-slow-name-server",
        cause=None,
        broken=(BadNames(behaviour=Behaviour.SLOW, seconds=0.8), Wan(delay_ms=10)),
    ),
)
