"""What the numbers mean that Remote Desktop shows, logs and sends.

Reads and checks `resources/knowledge/codes.toml` and answers from it. A code is no diagnosis: it steers where to
look, and measurements decide. The types are those of `core.code_book`.
"""

import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from itertools import pairwise
from typing import Any, TypeVar

import msgspec

from core.code_book import Claim, Code, CodeBook, Explanation, Fact, Group, Pair, Source, Space, Trust
from resources import FOLDER


class KnowledgeError(ValueError):
    """The knowledge file contradicts itself: a duplicate number, a source that does not exist, an unknown phase."""


def lookup(space: Space, number: int) -> Code | None:
    """The code that a number is in one space, or None. Takes signed and unsigned 32-bit forms and any other number."""
    return load().lookup(space, number)


def explain(code: int, extended: int | None = None) -> Explanation:
    """What is known about the numbers of a failure box; an unknown number is an answer, not an error."""
    return load().explain(code, extended)


@cache
def load() -> CodeBook:
    """The knowledge that ships with the product. Raises KnowledgeError."""
    return parse((FOLDER / "knowledge" / "codes.toml").read_text("utf-8"))


_T = TypeVar("_T")
_Table = dict[str, Any]


class _File(msgspec.Struct, forbid_unknown_fields=True):
    sources: dict[str, _Table]
    space: dict[Space, _Table]
    groups: dict[str, int]
    pair: dict[str, _Table]
    claim: list[_Table]


def parse(text: str) -> CodeBook:
    """Read and check a knowledge file in the form of `codes.toml`. Raises KnowledgeError."""
    try:
        file = _convert(tomllib.loads(text), _File, "file")
    except tomllib.TOMLDecodeError as error:
        raise KnowledgeError(str(error)) from error
    sources = {
        key: _convert({"key": key, **table}, Source, f"source {key}") for key, table in file.sources.items()
    }
    book = CodeBook(
        sources=sources,
        spaces={space: _codes(space, table, sources) for space, table in file.space.items()},
        groups=tuple(_convert({"id": i, "low_byte": b}, Group, f"group {i}") for i, b in file.groups.items()),
        pairs=tuple(_pair(id_, table, sources) for id_, table in file.pair.items()),
        claims=tuple(_claim(table, sources) for table in file.claim),
    )
    _check(book, pair_ids=file.pair)
    return book


def _codes(space: Space, table: _Table, sources: Mapping[str, Source]) -> tuple[Code, ...]:
    common = {key: value for key, value in table.items() if key != "codes"}
    codes = []
    for row in _part(table, "codes", list[_Table], space):
        where = f"{space} {row.get('number')}"
        whole = {"space": space, "last": row.get("number"), **common, **row}
        codes.append(_convert(_sourced(whole, where, sources), Code, where))
    return tuple(sorted(codes, key=lambda code: code.number))


def _pair(id_: str, table: _Table, sources: Mapping[str, Source]) -> Pair:
    facts = []
    for fact in _part(table, "facts", list[_Table], id_):
        where = f"pair.{id_}.{fact.pop('id', '')}"
        facts.append(_convert({"text_id": where, **_sourced(fact, where, sources)}, Fact, where))
    return _convert({**table, "facts": tuple(facts)}, Pair, f"pair {id_}")


def _claim(table: _Table, sources: Mapping[str, Source]) -> Claim:
    where = f"claim {table.get('id')}"
    numbers = _part(table, "applies_to", dict[str, int], where)
    rest = {key: value for key, value in table.items() if key != "applies_to"}
    return _convert({**_sourced(rest, where, sources), **numbers}, Claim, where)


def _sourced(table: _Table, where: str, sources: Mapping[str, Source]) -> _Table:
    keys = _part(table, "source", list[str], where)
    if unknown := [key for key in keys if key not in sources]:
        raise KnowledgeError(f"{where}: no such source: {unknown}")
    if not keys and table.get("trust") != Trust.UNVERIFIED:
        raise KnowledgeError(f"{where}: needs a source, or must say that it is unverified")
    return {**table, "source": tuple(sources[key] for key in keys)}


def _part(table: _Table, key: str, kind: type[_T], where: str) -> _T:
    return _convert(table.get(key, kind()), kind, f"{where}, {key}")


def _convert(value: object, kind: type[_T], where: str) -> _T:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise KnowledgeError(f"{where}: {error}") from error


def _check(book: CodeBook, *, pair_ids: Iterable[str]) -> None:
    """What no single row can know. Raises KnowledgeError."""
    if missing := set(Space) - book.spaces.keys():
        raise KnowledgeError(f"no table for {sorted(missing)}")
    for space, codes in book.spaces.items():
        if upside_down := [code.text_id for code in codes if code.last < code.number]:
            raise KnowledgeError(f"runs that end before they begin: {upside_down}")
        for before, after in pairwise(codes):
            if after.number <= before.last:
                raise KnowledgeError(f"{space}: {after.number:#x} is there twice")
        for code in codes:
            if code.counterpart is not None and not book.lookup(Space.DISCONNECT, code.counterpart):
                raise KnowledgeError(f"{code.text_id}: counterpart {code.counterpart:#x} is in no list")
    for pair, id_ in zip(book.pairs, pair_ids, strict=True):
        if pair.text_id != f"pair.{id_}":
            raise KnowledgeError(f"pair {id_}: holds the numbers of {pair.text_id}")
    for what, names in (
        ("claim", [claim.id for claim in book.claims]),
        ("low byte", [group.low_byte for group in book.groups]),
        ("fact", [fact.text_id for pair in book.pairs for fact in pair.facts]),
    ):
        if len(names) != len(set(names)):
            raise KnowledgeError(f"a {what} is there twice")
    # A number that is in no list would make a pair or a claim that never shows.
    entries: tuple[Pair | Claim, ...] = (*book.pairs, *book.claims)
    for entry in entries:
        named = [(Space.DISCONNECT, entry.code), (Space.EXTENDED, entry.extended)]
        numbers = [(space, number) for space, number in named if number is not None]
        if not numbers:
            raise KnowledgeError("a claim applies to no code")
        for space, number in numbers:
            if not book.lookup(space, number):
                raise KnowledgeError(f"{space} {number:#x} is in no list")
