"""Is this program complete? For a frozen build, where a missing module or text shows only when it is used."""

import asyncio
from collections.abc import Callable, Iterator

from core import codes, knowledge, run
from core.checks import ALL
from core.demo import play
from core.engine import select
from core.machine import this_machine
from core.model import Target
from core.text import DOMAINS, Texts


def examine() -> Iterator[tuple[str, str | None]]:
    """Every test's name and what is wrong, or None. Looks at loopback alone."""
    for name, look in _TESTS.items():
        try:
            yield name, look()
        except Exception as crash:  # noqa: BLE001 - whatever breaks is the result
            yield name, f"{type(crash).__name__}: {crash}"


def _checks() -> str | None:
    select(ALL, None)
    return None


def _knowledge() -> str | None:
    knowledge.causes()
    codes.load()
    return None


def _texts() -> str | None:
    texts = Texts("en")
    wanted = [f"check.{c.id}" for c in ALL] + [f"cause.{c}" for c in knowledge.causes()]
    missing = [text_id for text_id in wanted if texts.find(text_id) is None]
    return (
        f"{len(missing)} of {len(DOMAINS)} domains' texts are missing, first {missing[0]}"
        if missing
        else None
    )


def _diagnosis() -> str | None:
    with play.server("server-certificate-expired") as port:
        target = Target(typed=f"127.0.0.1:{port}", host="127.0.0.1", port=port)
        options = run.Options(only=frozenset({"certificate"}))
        done = asyncio.run(run.check(this_machine(), target, lambda _: None, options=options))
    return None if done.verdict.cause == "server-certificate-expired" else f"named {done.verdict.cause}"


_TESTS: dict[str, Callable[[], str | None]] = {
    "checks": _checks,
    "knowledge": _knowledge,
    "texts": _texts,
    "diagnosis": _diagnosis,
}
