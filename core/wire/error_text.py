"""Pasted error messages: the codes, the time and the Activity ID in whatever a person hands over.

mstsc's error box copies as `[Window Title] [Content] [Expanded Information]` with `Error code: 0x904`,
`Extended error code: 0x7`, `Timestamp (UTC): 11/22/26 12:58:03 PM`, `Activity ID: <guid>`, and in some messages
`Remote computer: NAME`. The labels are translated, the shapes of the values are not, so shapes are what is read.
People shorten: `0x904/0x7`, `2308 7`, `error 2308 (extended 7)`.
"""

import re
from datetime import UTC, datetime
from typing import Final, NamedTuple

import msgspec

MAX_CHARS: Final = 20_000

_MAX_CODE: Final = 0xFFFFFFFF
_NEAR: Final = 40  # characters between two codes that belong together without labels

# Full-width forms become ASCII; marks that cannot be seen go. Not NFKC: its run time can grow with the square.
_FOLDED: Final = {
    **{0xFF01 + i: 0x21 + i for i in range(94)},
    0x3000: " ",
    **dict.fromkeys((0xAD, 0x200B, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFEFF)),
}

_GUID: Final = re.compile(
    r"(?<![0-9A-Za-z])[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?![0-9A-Za-z])",
    re.IGNORECASE,
)
_US_TIME: Final = re.compile(
    r"(?<![0-9/])([0-9]{1,2})/([0-9]{1,2})/([0-9]{4}|[0-9]{2}),?\s{1,4}"
    r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?(?:\s{0,4}([AP])\.?M)?",
    re.IGNORECASE,
)
_ISO_TIME: Final = re.compile(
    r"(?<![0-9-])[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?"
    r"(?:Z|[+-][0-9]{2}:?[0-9]{2})?",
    re.IGNORECASE,
)
_HEX: Final = re.compile(
    # The colon of 0x904:0x7 belongs to the first number; it labels nothing.
    r"(?P<colon>:\s{0,8})?(?<![0-9A-Za-z_])(?P<minus>-?)0x(?P<digits>[0-9A-Za-z_]*)(?::(?=0x))?",
    re.IGNORECASE,
)
_CODE_DIGITS: Final = re.compile(r"[0-9a-f]{1,8}", re.IGNORECASE)

_NUMBER: Final = r"(0x[0-9a-f]{1,8}|[0-9]{1,10})"
_NUMBERS_ONLY: Final = re.compile(rf"[^\w-]*{_NUMBER}(?:(?:[^\w-]{{1,8}}|-){_NUMBER})?[^\w-]*", re.IGNORECASE)

# A decimal number has no shape of its own: only a word for "error", "code" or "extended" before it makes it one.
_DECIMAL: Final = re.compile(
    r"(?:\b(?:err|c[oó]d|k[oó]d|fehler|fout|fejl|feil|virhe|chyb|hata|błąd|ошибк|код|помилк|ext|étend|erw)"
    r"|エラー|コード|错误|錯誤|代码|代碼|오류|코드)"
    r"[^\W0-9_]{0,20}[^\w\n-]{1,4}([0-9]{1,10})(?![0-9A-Za-z_]|[.:-][0-9])",
    re.IGNORECASE,
)
# A wrong name is worse than none, so here a word for "computer" must stand in the label.
_COMPUTER_LABEL: Final = re.compile(
    r"comput|komput|ordinat|equipo|rechner|dator|datamaskin|počítač|számítógép|tietokone|bilgisayar"
    r"|компьютер|комп'ютер|コンピュータ|计算机|電腦|电脑|컴퓨터",
    re.IGNORECASE,
)


class PastedError(msgspec.Struct, frozen=True, kw_only=True):
    """What a person's error message says.

    Attributes:
        code: the disconnect reason (or an HRESULT), 0 to 0xFFFFFFFF.
        extended: the extended disconnect reason.
        activity_id: a GUID in lower case; the server's logs know it.
        when: aware, in UTC.
        computer: the remote computer's name as shown.
    """

    code: int
    extended: int | None = None
    activity_id: str | None = None
    when: datetime | None = None
    computer: str | None = None


class _Hex(NamedTuple):
    value: int | None  # None: written like a code, and none
    labelled: bool
    start: int
    end: int


def parse(text: str) -> PastedError | None:
    """Find the codes in the first MAX_CHARS characters of a text in any language; None where there are none."""
    text = text[:MAX_CHARS].translate(_FOLDED)
    # Digits of an id or a time must not pass for codes.
    bare = _ISO_TIME.sub(" ", _US_TIME.sub(" ", _GUID.sub(" ", text)))
    codes = _numbers_only(bare) or _hex_codes(bare) or _decimal_codes(bare)
    if codes is None:
        return None
    code, extended = codes
    guids = _GUID.findall(text)
    return PastedError(
        code=code,
        extended=extended,
        activity_id=guids[-1].lower() if guids else None,
        when=_when(text),
        computer=_computer(text),
    )


def _numbers_only(text: str) -> tuple[int, int | None] | None:
    """`0x904/0x7`, `2308 7`, `0x904 (2308)`: one or two numbers and nothing else."""
    match = _NUMBERS_ONLY.fullmatch(text.strip())
    if match is None:
        return None
    first, second = match.groups()
    code = _number(first)
    if code is None:
        return None
    extended = _number(second) if second else None
    one_code_twice = extended == code and _is_hex(first) != _is_hex(second)
    return code, None if one_code_twice else extended


def _hex_codes(text: str) -> tuple[int, int | None] | None:
    """Code and extended code: the last two after colons, else the first and its neighbour."""
    found = [_hex(match) for match in _HEX.finditer(text)]
    labelled = [one for one in found if one.labelled]
    if len(labelled) >= 2:
        code, extended = labelled[-2].value, labelled[-1].value
        # "(Code: 0x80080005) ... Error code: 0x0": the sentence knows more than the details.
        if code == 0 and len(labelled) > 2:
            code = labelled[-3].value or 0
        return None if code is None else (code, extended)
    if not found:
        return None
    first = labelled[0] if labelled else found[0]
    if first.value is None:
        return None
    after = next((one for one in found if 0 <= one.start - first.end <= _NEAR), None)
    return first.value, after.value if after else None


def _decimal_codes(text: str) -> tuple[int, int | None] | None:
    """`error 2308 (extended 7)`. Codes below 100 name no failure, so "error 3 times" is none."""
    numbers = [match[1] for match in _DECIMAL.finditer(text)]
    for at, digits in enumerate(numbers):
        code = _number(digits)
        if code is not None and code >= 100:
            return code, _number(numbers[at + 1]) if at + 1 < len(numbers) else None
    return None


def _hex(match: re.Match[str]) -> _Hex:
    sound = not match["minus"] and _CODE_DIGITS.fullmatch(match["digits"])
    value = int(match["digits"], 16) if sound else None
    return _Hex(value=value, labelled=match["colon"] is not None, start=match.start(), end=match.end())


def _number(digits: str) -> int | None:
    value = int(digits, 16 if _is_hex(digits) else 10)
    return value if value <= _MAX_CODE else None


def _is_hex(digits: str) -> bool:
    return digits[:2].lower() == "0x"


def _when(text: str) -> datetime | None:
    """The last time in the text. mstsc writes it the US way and in UTC in every language."""
    times = sorted((*_US_TIME.finditer(text), *_ISO_TIME.finditer(text)), key=re.Match.start)
    if not times:
        return None
    match = times[-1]
    try:
        return _iso_time(match[0]) if match.re is _ISO_TIME else _us_time(match)
    except (ValueError, OverflowError):
        return None


def _us_time(match: re.Match[str]) -> datetime:
    month, day, year, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    if match[7]:
        if not 1 <= hour <= 12:
            raise ValueError("no hour of a 12-hour clock")
        hour = hour % 12 + (12 if match[7] in "Pp" else 0)
    return datetime(year if year >= 100 else 2000 + year, month, day, hour, minute, second, tzinfo=UTC)


def _iso_time(text: str) -> datetime:
    time = datetime.fromisoformat(text.upper())
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _computer(text: str) -> str | None:
    for line in text.splitlines():
        label, _, value = line.partition(":")
        name = value.strip()
        if (
            0 < len(name) <= 255
            and not any(char.isspace() for char in name)
            and _COMPUTER_LABEL.search(label)
        ):
            return name
    return None
