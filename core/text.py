"""Turns ids and arguments into sentences of the user's language.

Texts live in gettext catalogues, one domain for each kind, keyed by id; English is a catalogue like the others and the
last resort. Values may come from strangers (names in certificates, banners, pasted text): they are cut, stripped of
everything that steers a terminal or turns text around, and never read as markup or as placeholders.
"""

import gettext
import locale
import os
import re
import unicodedata
from collections.abc import Mapping

from core.model import Arg
from resources import FOLDER

DOMAINS = ("findings", "causes", "app", "codes")
LONGEST_VALUE = 200

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(?::\d\d(?:\.\d+)?)?(?:Z|\+00:00)")
_TAG = re.compile(r"([A-Za-z]{2,3})((?:_[A-Za-z0-9]{2,8}){0,3})")
_STEERING = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


class TextsMissing(Exception):  # noqa: N818 - says what is the case
    """The compiled catalogues are not there: the program was not set up (`python dev.py` does it)."""


class Texts:
    """All texts in one language, each falling back to English."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._catalogues: dict[str, gettext.NullTranslations] = {}

    def _catalogue(self, domain: str) -> gettext.NullTranslations:
        """A domain is read when it is first asked for: most runs never explain a code."""
        if domain not in self._catalogues:
            try:
                found = gettext.translation(domain, FOLDER / "locale", languages=[self.language, "en"])
            except OSError as missing:
                raise TextsMissing(domain) from missing
            self._catalogues[domain] = found
        return self._catalogues[domain]

    def find(self, text_id: str) -> str | None:
        """The raw text of an id, or None if no catalogue has it."""
        for domain in DOMAINS:
            text = self._catalogue(domain).gettext(text_id)
            if text != text_id:
                return text
        return None

    def say(self, text_id: str, args: Mapping[str, Arg] | None = None) -> str:
        """The text of an id with its placeholders filled. An id without text is shown as it is, never an error."""
        text = self.find(text_id)
        if text is None:
            return text_id
        values = args or {}
        return _PLACEHOLDER.sub(lambda m: self._value(m[1], values.get(m[1])), text)

    def _value(self, name: str, value: Arg) -> str:
        if isinstance(value, str):
            word = self.find(f"word.{name}.{value}") if value.isascii() and len(value) < 40 else None
            return word if word is not None else plain(value)
        if value is None:
            return "?"
        return f"{value:g}" if isinstance(value, float) else str(value)


def plain(text: str, longest: int = LONGEST_VALUE) -> str:
    """A stranger's text, fit for a line of a terminal, a label or a ticket.

    Control characters, escape sequences' introducers, direction marks and line breaks are dropped; times in UTC become
    readable; what is longer than `longest` characters is cut with an ellipsis.
    """
    moment = _MOMENT.fullmatch(text)
    if moment:
        return f"{moment[1]} {moment[2]} UTC"
    text = text[: 4 * longest]
    kept = "".join(
        " " if c in "\r\n\t" else c for c in text if c in "\r\n\t" or unicodedata.category(c) not in _STEERING
    )
    return kept if len(kept) <= longest else kept[: longest - 1] + "…"


def wanted_language(asked: str | None = None) -> str:
    """The language to speak: what was asked for, else the user's own by environment or system setting."""
    for candidate in (asked, os.environ.get("LC_ALL"), os.environ.get("LC_MESSAGES"), os.environ.get("LANG")):
        if candidate:
            return _tag(candidate)
    try:
        return _tag(locale.getlocale()[0] or "en")
    except ValueError:
        return "en"


def _tag(language: str) -> str:
    """`de-DE.UTF-8` -> `de_DE`; anything that is no language tag (BCP 47) -> `en`. It becomes part of a path."""
    tag = _TAG.fullmatch(language.partition(".")[0].partition("@")[0].replace("-", "_"))
    return tag[1].lower() + tag[2] if tag else "en"
