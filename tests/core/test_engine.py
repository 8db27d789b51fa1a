"""Small checks made by hand, without a network: what the engine promises to every check and to everyone who listens."""

import asyncio
import gc
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from core.check import Check, Context, Group, Skip
from core.checks import ALL, mtu, names, presence, quality, udp
from core.engine import Plan, run_checks, select
from core.model import (
    CheckDone,
    CheckStarted,
    Event,
    Finding,
    NotMeasured,
    Ok,
    Row,
    RunDone,
    State,
    Target,
    Why,
)
from core.ports import Denied, Unsupported
from core.probes import credssp_step, handshake, session_step, tls_step, tls_versions, x224_step
from core.probes import gateway as gateway_probe
from core.probes import names as names_probe
from core.probes import quality as quality_probe
from core.probes import udp as udp_probe
from core.probes.dialer import BudgetSpent, Dialer
from core.run import Options, chosen
from tests.support.fakes import FakeMachine

TARGET = Target(typed="pc-anna", host="pc-anna")
Probe = Callable[[Context], Coroutine[Any, Any, State]]


def check(
    name: str,
    probe: Probe | State = State.OK,
    *,
    needs: tuple[str, ...] = (),
    reads: tuple[str, ...] = (),
    after: tuple[str, ...] = (),
    deadline: float = 5.0,
    retry: bool = False,
) -> Check[State]:
    """A check whose fact is the state of its one finding; `probe` is that state, or brings it home."""

    async def bring(_: Context) -> State:
        assert isinstance(probe, State)
        return probe

    return Check(
        id=name,
        group=Group.REMOTE,
        probe=bring if isinstance(probe, State) else probe,
        judge=lambda state: (Finding(id=f"{name}.{state}", state=state, reason="said-so"),),
        needs=needs,
        reads=reads,
        after=after,
        deadline=deadline,
        retry=retry,
    )


def raising(error: BaseException) -> Probe:
    async def probe(_: Context) -> NoReturn:
        raise error

    return probe


async def forever(_: Context) -> NoReturn:
    await asyncio.Event().wait()
    raise AssertionError


@dataclass
class Seen:
    """What a run brought and what it told meanwhile."""

    rows: dict[str, Row] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)

    def order(self, kind: type[CheckStarted | CheckDone]) -> list[str]:
        return [
            event.row.check if isinstance(event, CheckDone) else event.check
            for event in self.events
            if isinstance(event, kind) and not isinstance(event, RunDone)
        ]

    def __getitem__(self, name: str) -> Row:
        return self.rows[name]


async def running_all(checks: Sequence[Check[Any]], seen: Seen, *, time_limit: float = 30.0) -> None:
    machine = FakeMachine()
    rows = await run_checks(
        Plan(checks=tuple(checks)),
        machine,
        TARGET,
        seen.events.append,
        dialer=Dialer(machine.net),
        time_limit=time_limit,
    )
    seen.rows = {row.check: row for row in rows}


def run(*checks: Check[Any], time_limit: float = 30.0) -> Seen:
    seen = Seen()
    asyncio.run(running_all(checks, seen, time_limit=time_limit))
    assert list(seen.rows) == [check.id for check in checks], "rows in the order of the plan"
    assert [type(event) for event in seen.events].count(RunDone) == 1
    assert isinstance(seen.events[-1], RunDone)
    assert sorted(seen.order(CheckDone)) == sorted(seen.rows), "each row is told once"
    return seen


def why(row: Row) -> tuple[State, Why, str | None, str | None]:
    """What a row without a measurement says: once, and with its reason."""
    (finding,) = row.findings
    assert isinstance(row.measured, NotMeasured)
    assert (finding.reason, finding.settle) == (row.measured.reason, row.measured.settle)
    return finding.state, row.measured.why, finding.reason, finding.settle


# --- order


def test_a_check_runs_when_everything_before_it_is_over() -> None:
    done: list[str] = []

    def noting(name: str) -> Probe:
        async def probe(context: Context) -> State:
            assert set(context.rows) >= set(parents[name])
            done.append(name)
            return State.OK

        return probe

    parents = {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c")}
    seen = run(
        check("a", noting("a")),
        check("b", noting("b"), needs=("a",)),
        check("c", noting("c"), reads=("a",)),
        check("d", noting("d"), needs=("b",), after=("c",)),
    )
    assert done[0] == "a"
    assert done[-1] == "d"
    assert seen.order(CheckStarted) == done
    assert seen.order(CheckDone) == done
    assert all(row.tries == 1 and row.state is State.OK for row in seen.rows.values())


def test_independent_checks_run_at_the_same_time() -> None:
    meeting = asyncio.Barrier(3)

    async def meet(_: Context) -> State:
        await meeting.wait()
        return State.OK

    run(*(check(name, meet) for name in "abc"))


def test_rows_know_their_needs_and_times() -> None:
    seen = run(check("a"), check("b", needs=("a",)))
    assert seen["b"].needs == ("a",)
    assert 0 <= seen["a"].started_ms <= seen["b"].started_ms
    assert seen["b"].duration_ms >= 0


def test_a_fact_is_there_for_those_who_read_it() -> None:
    def reading(of: Check[State]) -> Probe:
        async def probe(context: Context) -> State:
            return context.fact(of) or State.UNKNOWN

        return probe

    red, lost = check("red", State.PROBLEM), check("lost", raising(Denied("no")))
    seen = run(
        red, lost, check("a", reading(red), reads=("red",)), check("b", reading(lost), reads=("lost",))
    )
    assert seen["a"].state is State.PROBLEM
    assert seen["b"].state is State.UNKNOWN


# --- what can happen to a probe


@pytest.mark.parametrize(
    ("error", "state", "reason", "settle"),
    [
        (Skip("no-target", settle="reach"), (State.SKIPPED, Why.NOT_NEEDED), "no-target", "reach"),
        (Denied("C:/secret"), (State.UNKNOWN, Why.DENIED), "denied", "run-as-admin"),
        (Unsupported("no adjtimex"), (State.SKIPPED, Why.UNSUPPORTED), "unsupported", None),
        (BudgetSpent(), (State.SKIPPED, Why.NOT_NEEDED), "connections-spent", "check-again"),
        (KeyError("secret"), (State.UNKNOWN, Why.BUG), "bug", "send-report"),
        (asyncio.CancelledError(), (State.UNKNOWN, Why.BUG), "bug", "send-report"),
        # ETIMEDOUT of the system: an end of time all the same, only not of ours.
        (TimeoutError("secret"), (State.UNKNOWN, Why.TIMEOUT), "timeout", None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_no_measurement_is_a_result(
    error: BaseException, state: tuple[State, Why], reason: str, settle: str | None
) -> None:
    seen = run(check("odd", raising(error)), check("other"))
    assert why(seen["odd"]) == (*state, reason, settle)
    assert seen["odd"].findings[0].id == f"odd.{'not-checked' if state[0] is State.SKIPPED else 'unknown'}"
    assert seen["other"].state is State.OK


@pytest.mark.parametrize("answer", [Skip("no-gateway"), Denied("x"), Unsupported("x")], ids=repr)
def test_an_answer_out_of_a_task_group_is_still_an_answer(answer: Exception) -> None:
    async def probe(context: Context) -> State:
        async with asyncio.TaskGroup() as group:
            group.create_task(forever(context))
            group.create_task(raising(answer)(context))
        return State.OK

    assert why(run(check("a", probe))["a"]) == why(run(check("a", raising(answer)))["a"])


def test_an_end_of_time_that_was_not_ours_tells_its_place() -> None:
    measured = run(check("late", raising(TimeoutError())))["late"].measured
    assert isinstance(measured, NotMeasured)
    assert measured.detail.startswith("TimeoutError at test_engine.py:")


def test_a_probe_that_hangs_ends_at_its_deadline() -> None:
    seen = run(check("hangs", forever, deadline=0.01), check("other"))
    assert why(seen["hangs"]) == (State.UNKNOWN, Why.TIMEOUT, "timeout", None)
    assert isinstance(seen["hangs"].measured, NotMeasured)
    assert seen["hangs"].measured.detail == "no result within 0.01 s"
    assert seen["other"].state is State.OK


async def crash(_: Context) -> State:
    raise ValueError("C:/Users/anna/secret.txt")


def judge_crash(_: State) -> tuple[Finding, ...]:
    raise ValueError("C:/Users/anna/secret.txt")


async def crash_in_a_group(context: Context) -> State:
    async with asyncio.TaskGroup() as group:
        group.create_task(crash(context))
    return State.OK


@pytest.mark.parametrize(
    ("broken", "place"),
    [
        (check("broken", crash), crash),
        (check("broken", crash_in_a_group), crash),
        (replace(check("broken"), judge=judge_crash), judge_crash),
    ],
    ids=["probe", "probe-in-a-group", "judge"],
)
def test_a_crash_tells_its_place_and_never_its_message(broken: Check[State], place: Any) -> None:
    seen = run(broken, check("child", needs=("broken",)), check("other"))
    row = seen["broken"]
    assert why(row) == (State.UNKNOWN, Why.BUG, "bug", "send-report")
    assert isinstance(row.measured, NotMeasured)
    assert row.measured.detail == f"ValueError at test_engine.py:{place.__code__.co_firstlineno + 1}"
    assert "secret" not in repr(seen.events)
    assert why(seen["child"]) == (State.SKIPPED, Why.BLOCKED, "needs-broken", "broken")
    assert seen["other"].state is State.OK


def test_a_judge_with_nothing_to_say_is_a_bug() -> None:
    row = run(replace(check("mute"), judge=lambda _: ()))["mute"]
    assert (row.state, row.findings[0].reason) == (State.UNKNOWN, "bug")


# --- children


@pytest.mark.parametrize("state", State)
def test_a_child_runs_only_if_its_parent_carries_it(state: State) -> None:
    seen = run(
        check("a", state), check("b", needs=("a",)), check("c", reads=("a",)), check("d", after=("a",))
    )
    if state in (State.OK, State.WARN, State.INFO):
        assert seen["b"].state is State.OK
    else:
        assert why(seen["b"]) == (State.SKIPPED, Why.BLOCKED, "needs-a", "a")
        assert seen["b"].tries == 0
        assert "b" not in seen.order(CheckStarted)
    assert seen["c"].state is seen["d"].state is State.OK


@pytest.mark.parametrize("broken", [State.PROBLEM, forever], ids=["red", "hangs"])
def test_blocked_children_point_at_the_root_of_the_chain(broken: Probe | State) -> None:
    seen = run(
        check("root", broken, deadline=0.01),
        check("child", needs=("root",)),
        check("grandchild", needs=("child",)),
        check("great-grandchild", needs=("grandchild",)),
    )
    for name in ("child", "grandchild", "great-grandchild"):
        assert why(seen[name]) == (State.SKIPPED, Why.BLOCKED, "needs-root", "root")


def test_what_makes_a_parent_pointless_makes_its_children_pointless_in_the_same_words() -> None:
    seen = run(
        check("a", raising(Skip("goes-through-gateway", settle="gateway"))),
        check("b", needs=("a",)),
        check("c", needs=("b",)),
    )
    for name in "abc":
        assert why(seen[name]) == (State.SKIPPED, Why.NOT_NEEDED, "goes-through-gateway", "gateway")


# --- the second try


def trying(*results: State | BaseException) -> Probe:
    """A probe that has one result for each try."""

    async def probe(context: Context) -> State:
        result = results[context.attempt - 1]
        if isinstance(result, BaseException):
            raise result
        return result

    return probe


@pytest.mark.parametrize(
    ("results", "retry", "state", "tries", "first_try"),
    [
        ((State.OK,), True, State.OK, 1, ()),
        ((State.WARN,), True, State.WARN, 1, ()),
        ((State.UNKNOWN,), True, State.UNKNOWN, 1, ()),
        ((State.PROBLEM,), False, State.PROBLEM, 1, ()),
        ((State.PROBLEM, State.OK), True, State.OK, 2, ("a.problem",)),
        ((State.PROBLEM, State.WARN), True, State.WARN, 2, ("a.problem",)),
        ((State.PROBLEM, State.PROBLEM), True, State.PROBLEM, 2, ()),
        ((State.PROBLEM, Denied("x")), True, State.PROBLEM, 2, ()),
        ((State.PROBLEM, Skip("x")), True, State.PROBLEM, 2, ()),
        ((State.PROBLEM, ValueError("x")), True, State.PROBLEM, 2, ()),
    ],
)
def test_red_is_measured_a_second_time(
    results: tuple[State | BaseException, ...],
    retry: bool,
    state: State,
    tries: int,
    first_try: tuple[str, ...],
) -> None:
    row = run(check("a", trying(*results), retry=retry))["a"]
    assert (row.state, row.tries, row.first_try) == (state, tries, first_try)
    assert row.measured == Ok(state)


def test_a_second_try_that_hangs_or_breaks_its_judge_does_not_wipe_out_the_first() -> None:
    async def hang(context: Context) -> State:
        return State.PROBLEM if context.attempt == 1 else await forever(context)

    def fragile(state: State) -> tuple[Finding, ...]:
        assert state is State.PROBLEM
        return (Finding(id="a.problem", state=state),)

    for broken in (
        check("a", hang, deadline=0.01, retry=True),
        replace(check("a", trying(State.PROBLEM, State.OK), retry=True), judge=fragile),
    ):
        row = run(broken)["a"]
        assert (row.state, row.tries, row.first_try) == (State.PROBLEM, 2, ())
        assert row.measured == Ok(State.PROBLEM)


def test_a_red_finding_behind_the_first_one_is_measured_again_too() -> None:
    def judge(state: State) -> tuple[Finding, ...]:
        return Finding(id="a.ok", state=State.OK), Finding(id="a.beside", state=state)

    row = run(replace(check("a", trying(State.PROBLEM, State.OK), retry=True), judge=judge))["a"]
    assert (row.tries, row.first_try) == (2, ())
    assert row.findings[1].state is State.OK


# --- the end


def test_cancelling_unwinds_everything_first_and_ends_with_rundone() -> None:
    seen = Seen()
    unwound: list[int] = []

    async def busy(context: Context) -> State:
        started.set()
        try:
            return await forever(context)
        finally:
            unwound.append(len(seen.events))

    async def main() -> None:
        task = asyncio.create_task(  # noqa: TID251 - kept, and cancelled below
            running_all(
                [
                    check("quick"),
                    check("busy", busy),
                    check("red", State.PROBLEM),
                    check("child", needs=("busy",)),
                ],
                seen,
            )
        )
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == {asyncio.current_task()}

    started = asyncio.Event()
    asyncio.run(main())
    (ended,) = [event for event in seen.events if isinstance(event, RunDone)]
    assert seen.events[-1] is ended
    assert ended.cancelled
    assert [row.check for row in ended.rows] == ["quick", "busy", "red", "child"]
    quick, stopped, red, child = ended.rows
    assert (quick.state, red.state) == (State.OK, State.PROBLEM)
    for row in (stopped, child):
        assert why(row) == (State.SKIPPED, Why.STOPPED, "stopped", "check-again")
    assert sorted(seen.order(CheckDone)) == ["busy", "child", "quick", "red"]
    assert unwound
    assert unwound[0] < seen.events.index(CheckDone(stopped)) + 1


def test_the_time_limit_stops_what_is_unfinished_and_keeps_the_rest() -> None:
    seen = run(check("quick"), check("hangs", forever), check("child", needs=("hangs",)), time_limit=0.05)
    assert seen["quick"].state is State.OK
    for name in ("hangs", "child"):
        assert why(seen[name]) == (State.SKIPPED, Why.STOPPED, "stopped", "check-again")
    ended = seen.events[-1]
    assert isinstance(ended, RunDone)
    assert not ended.cancelled
    assert ended.rows == tuple(seen.rows.values())


def test_rundone_tells_how_many_connections_the_run_has_opened() -> None:
    async def dial(context: Context) -> State:
        # Port 0 cannot be connected to: the attempt counts all the same.
        async with context.dialer.dial("127.0.0.1", 0, timeout=1):
            return State.OK

    ended = run(check("a", dial), check("b", dial)).events[-1]
    assert isinstance(ended, RunDone)
    assert ended.connections == 2


def test_an_empty_plan_ends_too() -> None:
    assert run().events == [RunDone((), cancelled=False, connections=0)]


# --- shared measurements


class Measurement:
    """Counts how often it is made."""

    def __init__(self, work: Callable[[], Coroutine[Any, Any, State]]) -> None:
        self.made = 0
        self._work = work

    async def make(self) -> State:
        self.made += 1
        return await self._work()

    async def probe(self, context: Context) -> State:
        return await asyncio.shield(context.shared.start("it", self.make))


def test_a_shared_measurement_runs_once() -> None:
    async def work() -> State:
        return State.WARN

    shared = Measurement(work)
    seen = run(check("a", shared.probe), check("b", shared.probe), check("c", shared.probe, needs=("a",)))
    assert shared.made == 1
    assert {row.state for row in seen.rows.values()} == {State.WARN}


def test_a_shared_measurement_outlives_the_check_that_asked_first() -> None:
    release = asyncio.Event()

    async def work() -> State:
        await release.wait()
        return State.OK

    async def later(context: Context) -> State:
        release.set()
        return await shared.probe(context)

    shared = Measurement(work)
    seen = run(check("impatient", shared.probe, deadline=0.01), check("later", later, after=("impatient",)))
    assert why(seen["impatient"])[:2] == (State.UNKNOWN, Why.TIMEOUT)
    assert seen["later"].state is State.OK
    assert shared.made == 1


def test_what_a_shared_measurement_raises_reaches_all_who_await_it() -> None:
    async def work() -> State:
        raise Denied("no")

    shared = Measurement(work)
    seen = run(check("a", shared.probe), check("b", shared.probe), check("c", shared.probe, after=("a", "b")))
    assert shared.made == 1
    assert {why(row)[1] for row in seen.rows.values()} == {Why.DENIED}


def test_a_shared_measurement_that_cancels_itself_holds_nobody_up() -> None:
    async def work() -> State:
        raise asyncio.CancelledError

    shared = Measurement(work)
    seen = run(check("a", shared.probe), check("child", needs=("a",)), check("other"))
    assert why(seen["a"])[:2] == (State.UNKNOWN, Why.BUG)
    assert why(seen["child"])[2] == "needs-a"
    assert seen["other"].state is State.OK


def test_a_failure_that_nobody_awaits_makes_no_noise() -> None:
    noise: list[dict[str, Any]] = []

    async def work() -> State:
        raise ValueError("nobody listens")

    async def start_only(context: Context) -> State:
        context.shared.start("it", Measurement(work).make)
        return State.OK

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: noise.append(context))
        await running_all([check("a", start_only)], seen)
        gc.collect()

    seen = Seen()
    asyncio.run(main())
    assert seen["a"].state is State.OK
    assert noise == []


def test_an_object_is_kept_for_the_whole_run() -> None:
    kept: list[object] = []

    async def keep(context: Context) -> State:
        kept.append(context.shared.keep("it", object))
        return State.OK

    run(check("a", keep), check("b", keep, needs=("a",)))
    assert kept[0] is kept[1]


# --- plans


def test_a_plan_rejects_what_could_not_run() -> None:
    with pytest.raises(ValueError, match="two checks are called a"):
        Plan(checks=(check("a"), check("a")))
    for early in (check("a", needs=("b",)), check("a", reads=("b",)), check("a", after=("b",))):
        with pytest.raises(ValueError, match="a needs b"):
            Plan(checks=(early, check("b")))
    with pytest.raises(ValueError, match="a needs a"):
        Plan(checks=(check("a", needs=("a",)),))


SOME = (
    check("a"),
    check("b", needs=("a",)),
    check("c", reads=("b",)),
    check("d", after=("a",)),
    check("e", needs=("c",), after=("a", "d")),
)


@pytest.mark.parametrize(
    ("only", "chosen_ids"),
    [
        (None, "abcde"),
        (frozenset("a"), "a"),
        (frozenset("b"), "ab"),
        (frozenset("c"), "abc"),
        (frozenset("d"), "d"),
        (frozenset("e"), "abce"),
        (frozenset("db"), "abd"),
        (frozenset(), ""),
    ],
)
def test_needs_and_reads_come_along_and_after_does_not(only: frozenset[str] | None, chosen_ids: str) -> None:
    plan = select(SOME, only)
    assert "".join(c.id for c in plan.checks) == chosen_ids
    for chosen_check in plan.checks:
        assert set(chosen_check.parents) <= set(chosen_ids)


def test_an_unknown_id_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="zebra"):
        select(SOME, frozenset({"a", "zebra"}))


@pytest.mark.parametrize("only", [None, *(frozenset({c.id}) for c in ALL)])
@pytest.mark.parametrize("local_only", [False, True])
@pytest.mark.parametrize("host", ["pc-anna", None])
def test_every_choice_of_real_checks_is_a_plan(
    only: frozenset[str] | None, local_only: bool, host: str | None
) -> None:
    checks = chosen(Options(only=only, local_only=local_only), Target(typed="", host=host))
    assert Plan(checks=checks).checks == checks
    if host is None or local_only:
        assert all(c.group is Group.LOCAL for c in checks)


# --- deadlines

# The longest first try of each check, as far as constants tell: waits that mean something and follow one another.
# Where a check needs another one, the stages of the shared conversation that this one waited for are over.
_HELLO = handshake.TCP_WAIT + x224_step.WAIT + tls_versions.WAIT
_CONVERSATION = handshake.TCP_WAIT + x224_step.WAIT
_GATEWAY_REQUEST = handshake.TCP_WAIT + tls_step.WAIT + gateway_probe.HTTP_WAIT
WAITS = {
    "network": 0.0,
    "names": max(names.SYSTEM_WAIT, names_probe.SERVER_WAIT) + names.FULL_FORM_WAIT,
    "route": 0.0,
    "vpn": 0.0,
    "firewall": 0.0,
    "clock": 0.0,
    "reach": handshake.TCP_WAIT,
    "presence": presence.TRIES * presence.ECHO_WAIT,
    "negotiate": _CONVERSATION,
    "tls": tls_step.WAIT + _HELLO,
    "certificate": 0.0,
    "nla": max(tls_step.WAIT + credssp_step.WAIT, _CONVERSATION),
    "session": tls_step.WAIT + 2 * session_step.WAIT + session_step._AFTERWARDS,
    "mtu": max(_HELLO, mtu._ECHO_WAIT),
    "udp": udp_probe.TRIES * udp._LONGEST,
    "gateway": gateway_probe.NAME_WAIT + handshake.TCP_WAIT + _GATEWAY_REQUEST,
    "quality": max(
        quality_probe.CONNECTS * quality_probe._CONNECT_EVERY + quality_probe._CONNECT_WAIT,
        quality_probe.ECHOES * quality_probe._ECHO_EVERY + 2 * quality_probe._ECHO_WAIT,
    ),
}


@pytest.mark.parametrize("real", ALL, ids=lambda c: c.id)
def test_a_wait_that_means_something_ends_before_the_net_below_it(real: Check[Any]) -> None:
    """A wait inside a probe yields a fact ("no answer"); the deadline yields only "could not tell"."""
    assert real.deadline > WAITS[real.id]


def test_every_real_check_keeps_to_the_rules_of_the_panel() -> None:
    assert {c.id for c in ALL} == set(WAITS)
    for c in ALL:
        assert c.id == c.id.lower()
        assert c.id.replace("-", "").isalpha()
        # What goes over a network is tried twice; a sample of quality is many tries by itself.
        assert c.retry or c.group is Group.LOCAL or c.id == quality.CHECK.id


# --- any plan at all


@st.composite
def plans(draw: st.DrawFn) -> tuple[Check[State], ...]:
    """A few checks, each with any state or failure, and any needs and reads among those before it."""
    outcomes: list[Probe | State] = [*State, raising(Skip("x")), raising(Denied("x")), crash]
    made: list[Check[State]] = []
    for number in range(draw(st.integers(1, 8))):
        before = [c.id for c in made]
        some = st.lists(st.sampled_from(before), unique=True, max_size=3) if before else st.just([])
        needs, reads, after = (tuple(draw(some)) for _ in range(3))
        outcome = draw(st.sampled_from(outcomes))
        made.append(check(f"c{number}", outcome, needs=needs, reads=reads, after=after))
    return tuple(made)


@given(plans())
@settings(deadline=None)
def test_nothing_is_red_because_what_it_needs_is_red(plan: tuple[Check[State], ...]) -> None:
    seen = run(*plan)
    for c in plan:
        row = seen[c.id]
        broken = [n for n in c.needs if seen[n].state in (State.PROBLEM, State.UNKNOWN, State.SKIPPED)]
        assert row.needs == c.needs
        if not broken:
            assert row.tries == 1
            continue
        assert (row.state, row.tries) == (State.SKIPPED, 0)
        assert isinstance(row.measured, NotMeasured)
        if row.measured.why is Why.BLOCKED:
            root = seen[row.measured.settle or ""]
            assert row.measured.reason == f"needs-{root.check}"
            assert root.tries == 1, "the root has been measured; what it needs itself carried it"
            assert root.state in (State.PROBLEM, State.UNKNOWN, State.SKIPPED)
