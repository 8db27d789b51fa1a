"""The shape of the knowledge about codes, and how to ask it. Pure data; `core.codes` reads it from the file.

Whatever a person should read has a `text_id` in the gettext domain `codes`; there are no sentences here. Each
statement carries its `Trust`, and nothing but `Trust.VERIFIED` may be told as certain.
"""

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Annotated

import msgspec

Number = Annotated[int, msgspec.Meta(ge=0, le=0xFFFF_FFFF)]
HttpsUrl = Annotated[str, msgspec.Meta(pattern="^https://")]


class Space(StrEnum):
    """A number space: the same number means different things in different spaces."""

    DISCONNECT = "disconnect"
    GATEWAY = "gateway"
    GATEWAY_PROTOCOL = "gateway-protocol"
    EXTENDED = "extended"
    ERRORINFO = "errorinfo"
    LOGON_ERROR = "logon-error"
    FATAL_ERROR = "fatal-error"
    WARNING = "warning"
    NEGOTIATION_PROTOCOL = "negotiation-protocol"
    NEGOTIATION_FLAG = "negotiation-flag"
    NEGOTIATION_FAILURE = "negotiation-failure"
    NTSTATUS = "ntstatus"
    SSPI = "sspi"


class Phase(StrEnum):
    """How far a connection had come when a code arises."""

    ANY = "any"
    INPUT = "input"
    DNS = "dns"
    TCP = "tcp"
    TCP_IN_USE = "tcp-in-use"
    X224 = "x224"
    SECURITY = "security"
    TLS = "tls"
    CREDSSP = "credssp"
    LICENSING = "licensing"
    SESSION = "session"
    GATEWAY = "gateway"
    BROKER = "broker"

    @property
    def text_id(self) -> str:
        return f"phase.{self}"


class Trust(StrEnum):
    """How well a statement is known."""

    VERIFIED = "verified"
    """Read in a primary source."""
    THIRD_PARTY = "third-party"
    """Seen only in other people's material: a hint."""
    UNVERIFIED = "unverified"
    """Our own reading, or sources that disagree."""

    @property
    def text_id(self) -> str:
        return f"trust.{self}"


class ClaimVerdict(StrEnum):
    """What is to be said of advice from the web."""

    WRONG = "wrong"
    DANGEROUS = "dangerous"
    HOST_ONLY = "host-only"
    RARELY = "rarely"
    LAST_RESORT = "last-resort"
    RIGHT_FOR_OTHER = "right-for-other"

    @property
    def text_id(self) -> str:
        return f"claim.verdict.{self}"


class Source(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a statement was read. `url` is https, or None for a page without an address that we can give."""

    key: str
    title: str
    url: HttpsUrl | None = None


class Code(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One number, or one run of numbers with one meaning, of one space."""

    space: Space
    number: Number
    """Unsigned 32 bits, also for values that Microsoft prints as negative."""
    last: Number
    """The last number of the run; the same as `number` for a single code."""
    name: str | None = None
    """The official name, if there is one."""
    phase: Phase
    phase_trust: Trust
    trust: Trust
    """Of the meaning."""
    source: tuple[Source, ...]
    reviewed: date
    see: Space | None = None
    """The space that tells the single numbers of this run apart."""
    counterpart: Number | None = None
    """The disconnect code of the same name."""
    counterpart_trust: Trust = Trust.VERIFIED

    @property
    def text_id(self) -> str:
        run = f"{self.number:#x}" if self.last == self.number else f"{self.number:#x}-{self.last:#x}"
        return f"code.{self.space}.{run}"


class Fact(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One sentence about a pair, with its own trust."""

    text_id: str
    trust: Trust
    source: tuple[Source, ...]


class Pair(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A disconnect code and an extended code that mean more together than each alone."""

    code: Number
    extended: Number
    phase: Phase
    phase_trust: Trust
    facts: tuple[Fact, ...]
    reviewed: date

    @property
    def text_id(self) -> str:
        return f"pair.{self.code:#x}-{self.extended:#x}"

    @property
    def certain(self) -> tuple[Fact, ...]:
        return tuple(fact for fact in self.facts if fact.trust is Trust.VERIFIED)

    @property
    def uncertain(self) -> tuple[Fact, ...]:
        return tuple(fact for fact in self.facts if fact.trust is not Trust.VERIFIED)


class Claim(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Advice that people find on the web, and what is right. `trust` and `source` belong to what is right."""

    id: str
    verdict: ClaimVerdict
    trust: Trust
    source: tuple[Source, ...]
    code: Number | None = None
    """Applies only to this disconnect code; None is any."""
    extended: Number | None = None
    """Applies only to this extended code; None is any, or none at all."""

    @property
    def says_id(self) -> str:
        return f"claim.{self.id}.says"

    @property
    def truth_id(self) -> str:
        return f"claim.{self.id}.truth"

    def fits(self, code: int, extended: int | None) -> bool:
        return self.code in (None, code) and self.extended in (None, extended)


class Group(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A guess at an unknown disconnect code from its low byte. Always `Trust.UNVERIFIED`."""

    id: str
    low_byte: Annotated[int, msgspec.Meta(ge=0, le=0xFF)]

    @property
    def text_id(self) -> str:
        return f"code.group.{self.id}"

    @property
    def trust(self) -> Trust:
        return Trust.UNVERIFIED


UNKNOWN_TEXT_ID = "code.unknown"


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known about the one or two numbers of a failure box."""

    number: int
    space: Space
    """The number space that the first number falls into, known there or not."""
    code: Code | None
    group: Group | None
    """A hint, only for a disconnect code that is in no list."""
    extended_number: int | None
    extended: Code | None
    detail: Code | None
    """The exact code, when `extended` is a run whose single numbers are told apart in another space."""
    pair: Pair | None
    claims: tuple[Claim, ...]

    @property
    def text_id(self) -> str:
        return self.code.text_id if self.code else UNKNOWN_TEXT_ID

    @property
    def extended_text_id(self) -> str | None:
        """None when no extended code was given."""
        if self.extended_number is None:
            return None
        return self.extended.text_id if self.extended else UNKNOWN_TEXT_ID


_SPACE_OF_BLOCK = {
    0x0300: Space.GATEWAY,
    0x8009: Space.SSPI,
    0xC000: Space.NTSTATUS,
}
"""By the high 16 bits of the first number. Everything else is a disconnect code."""


class CodeBook(msgspec.Struct, frozen=True, kw_only=True):
    """The checked contents of `codes.toml`."""

    sources: Mapping[str, Source]
    spaces: Mapping[Space, tuple[Code, ...]]
    """Sorted by number, without overlaps."""
    groups: tuple[Group, ...]
    pairs: tuple[Pair, ...]
    claims: tuple[Claim, ...]

    def lookup(self, space: Space, number: int) -> Code | None:
        number = _unsigned(number)
        return next((code for code in self.spaces[space] if code.number <= number <= code.last), None)

    def explain(self, code: int, extended: int | None) -> Explanation:
        code = _unsigned(code)
        extended = None if extended is None else _unsigned(extended)
        space = _SPACE_OF_BLOCK.get(code >> 16, Space.DISCONNECT)
        main = self.lookup(space, code)
        second = None if extended is None else self.lookup(Space.EXTENDED, extended)
        # Disconnect codes with a low byte that tells something have 16 bits; an HRESULT must not get a hint.
        guess = space is Space.DISCONNECT and main is None and 0 <= code <= 0xFFFF
        return Explanation(
            number=code,
            space=space,
            code=main,
            group=next((g for g in self.groups if guess and g.low_byte == code & 0xFF), None),
            extended_number=extended,
            extended=second,
            detail=self.lookup(second.see, extended) if extended and second and second.see else None,
            pair=next((p for p in self.pairs if (p.code, p.extended) == (code, extended)), None),
            claims=tuple(claim for claim in self.claims if claim.fits(code, extended)),
        )


def _unsigned(number: int) -> int:
    """COM events carry signed 32-bit numbers: -2146893044 is 0x8009030C."""
    return number & 0xFFFF_FFFF if -0x8000_0000 <= number < 0 else number
