"""The causes that the product can name, loaded from `resources/knowledge/causes.toml` and checked.

The format is described at the top of that file. A support engineer may change it without Python: everything that
can be wrong in it is named with the cause's id when it is loaded.
"""

import tomllib
from collections.abc import Mapping
from datetime import date
from functools import cache
from typing import Annotated

import msgspec

from core.codes import KnowledgeError
from core.model import Certainty, Where, Who
from resources import FOLDER

HttpsLink = Annotated[str, msgspec.Meta(pattern="^https://")]
Ids = frozenset[str]


class Way(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One way to prove a cause: all of `all`, one of `any` if it is not empty, none of `unless`."""

    all: Annotated[Ids, msgspec.Meta(min_length=1)]
    certainty: Certainty
    any: Ids = frozenset()
    unless: Ids = frozenset()
    twin: str | None = None


class Cause(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of causes.toml, which explains the fields."""

    where: Where
    who: Who
    when: Annotated[tuple[Way, ...], msgspec.Meta(min_length=1)]
    steps: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    source: Annotated[tuple[HttpsLink, ...], msgspec.Meta(min_length=1)]
    reviewed: date
    unless: Ids = frozenset()
    supports: tuple[str, ...] = ()
    fixes: tuple[str, ...] = ()

    @property
    def findings(self) -> Ids:
        """Every finding id that this cause speaks of."""
        named = self.unless | set(self.supports)
        return named.union(*(way.all | way.any | way.unless for way in self.when))


@cache
def causes() -> Mapping[str, Cause]:
    """Every cause by id, nearest to the root first. Raises KnowledgeError."""
    return parse((FOLDER / "knowledge" / "causes.toml").read_text("utf-8"))


def parse(text: str) -> dict[str, Cause]:
    """Read and check a knowledge file in the form of `causes.toml`. Raises KnowledgeError."""
    try:
        entries = tomllib.loads(text)
    except tomllib.TOMLDecodeError as wrong:
        raise KnowledgeError(str(wrong)) from wrong
    except RecursionError as wrong:
        raise KnowledgeError("nested too deeply") from wrong
    found: dict[str, Cause] = {}
    for cause_id, entry in entries.items():
        try:
            found[cause_id] = msgspec.convert(entry, Cause)
        except msgspec.ValidationError as wrong:
            raise KnowledgeError(f"cause {cause_id}: {wrong}") from wrong
    for cause_id, cause in found.items():
        for way in cause.when:
            _check(cause_id, way, found)
    return found


def _check(cause_id: str, way: Way, found: Mapping[str, Cause]) -> None:
    if way.certainty is Certainty.ONE_OF_TWO or (way.twin is not None and way.certainty is Certainty.CERTAIN):
        raise KnowledgeError(
            f"cause {cause_id}: what looks like another cause is told by `twin`, and is only likely"
        )
    if way.twin is None:
        return
    if way.twin not in found or way.twin == cause_id:
        raise KnowledgeError(f"cause {cause_id}: its twin {way.twin} is no other cause")
    if not any(back.twin == cause_id and back.all == way.all for back in found[way.twin].when):
        raise KnowledgeError(f"cause {cause_id}: its twin {way.twin} does not name it for the same findings")
