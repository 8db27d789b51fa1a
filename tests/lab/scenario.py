"""What a scenario is, and where all of them come from."""

import functools
import importlib
from pathlib import Path

import msgspec

from tests.lab import topology
from tests.lab.actions import Action, Names, NameService, Server, Xrdp


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """One fault, or a healthy variant, and what the tool ought to say of it.

    Attributes:
        name: short, unique, with hyphens.
        cause: the true cause's id, or None where the connection works.
        broken: what is done to the lab.
        target: what the user types.
        options: more words of the command line.
        accept: other causes that are right too, or the families `fine` and `unknown`, and `why` says why they are: a
            client cannot tell them apart.
            A `one-of-two` is right if it names the cause and one of these.
        unfelt: why the scenario counts although the real client gets through; empty if it fails as it should.
            For a healthy scenario, why the real client fails.
        ci: runs in CI.
        user: the tool runs as an ordinary user, without the rights of root.
    """

    name: str
    cause: str | None
    broken: tuple[Action, ...] = ()
    target: str = topology.HOST
    options: tuple[str, ...] = ()
    accept: tuple[str, ...] = ()
    why: str = ""
    unfelt: str = ""
    ci: bool = False
    user: bool = False

    @property
    def actions(self) -> tuple[Action, ...]:
        """All actions in the order of their stages; those that every lab needs are added."""
        actions = self.broken
        if not any(isinstance(action, Server) for action in actions):
            actions += (Xrdp(),)
        if not any(isinstance(action, NameService) for action in actions):
            actions += (Names(),)
        return tuple(sorted(actions, key=lambda action: action.stage))


class Book(msgspec.Struct, frozen=True):
    """All scenarios by name, and what is wrong with the files that could not be taken: they keep nobody else from working."""

    scenarios: dict[str, Scenario]
    faults: dict[str, str]


@functools.cache
def book() -> Book:
    """Every scenario of every file in `scenarios/`. A name that is there twice, or a twin without a reason, is a fault."""
    found: dict[str, Scenario] = {}
    faults: dict[str, str] = {}
    for file in sorted((Path(__file__).parent / "scenarios").glob("*.py")):
        try:
            module = importlib.import_module(f"tests.lab.scenarios.{file.stem}")
            more: dict[str, Scenario] = {s.name: s for s in module.SCENARIOS}
        except Exception as error:
            faults[file.name] = f"{type(error).__name__}: {error}"
            continue
        wrong = [f"{name} is there twice" for name in more if name in found]
        if len(more) < len(module.SCENARIOS):
            wrong.append("two scenarios have the same name")
        wrong += [
            f"{s.name} accepts a twin and does not say why" for s in more.values() if s.accept and not s.why
        ]
        if wrong:
            faults[file.name] = "; ".join(wrong)
        found = more | found
    return Book(found, faults)


def scenarios() -> dict[str, Scenario]:
    return book().scenarios
