"""Sentences out of ids and values, with catalogues of our own; values come from strangers and stay values."""

import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from hypothesis import given
from hypothesis import strategies as st

from core import text
from core.model import Arg
from core.text import DOMAINS, LONGEST_VALUE, Texts, TextsMissing, plain, wanted_language

ENGLISH = {
    "findings": {
        "greet": "Hello {name}, from {host}.",
        "twice": "{name}{name}",
        "odd": "{} {0} {name!r} {host.__class__} {name:>9} {{name}} { name } {nam",
        "hash": "100% {name} %s",
        "word.kind.ssh": "an SSH server",
        "word.kind.odd value": "never",
        "speaks": "It is {kind}. {name}",
        "umlaut": "Größe: {name}",
    },
    "causes": {"later": "Found in the second catalogue."},
    "app": {"both": "Both."},
    "codes": {},
}
GERMAN = {"findings": {"greet": "Guten Tag {name}, von {host}.", "word.kind.ssh": "ein SSH-Server"}}


def write(folder: Path, language: str, domains: Mapping[str, Mapping[str, str]]) -> None:
    messages = folder / "locale" / language / "LC_MESSAGES"
    messages.mkdir(parents=True)
    for domain, entries in domains.items():
        catalogue = Catalog(locale=language)
        for text_id, words in entries.items():
            catalogue.add(text_id, words)
        with (messages / f"{domain}.mo").open("wb") as file:
            write_mo(file, catalogue)


@pytest.fixture(scope="module")
def resources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("resources")
    write(folder, "en", ENGLISH)
    write(folder, "de", GERMAN)
    (folder / "locale" / "fr").mkdir()
    return folder


@pytest.fixture(autouse=True)
def own_catalogues(resources: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "FOLDER", resources)
        yield


def say(text_id: str, language: str = "en", **args: Arg) -> str:
    return Texts(language).say(text_id, args)


# --- finding words


def test_placeholders_are_filled() -> None:
    assert say("greet", name="Anna", host="pc-anna") == "Hello Anna, from pc-anna."
    assert say("twice", name="ha") == "haha"
    assert say("umlaut", name="größer") == "Größe: größer"


def test_every_catalogue_is_asked() -> None:
    assert say("later") == "Found in the second catalogue."
    assert say("both") == "Both."


def test_an_id_without_words_is_shown_as_it_is() -> None:
    assert say("no.such.id", name="x") == "no.such.id"
    assert Texts("en").find("no.such.id") is None


def test_what_is_no_placeholder_stays() -> None:
    shown = say("odd", name="x", host="y")
    assert shown == "{} ? {name!r} {host.__class__} {name:>9} {x} { name } {nam"
    assert say("hash", name="50%") == "100% 50% %s"


def test_a_value_that_is_missing_is_a_question_mark() -> None:
    assert say("greet", name="Anna") == "Hello Anna, from ?."
    assert Texts("en").say("greet") == "Hello ?, from ?."


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "?"),
        (0, "0"),
        (3389, "3389"),
        (-5, "-5"),
        (0.4, "0.4"),
        (12.0, "12"),
        (14000.0, "14000"),
        (True, "True"),
        ("", ""),
        ("x", "x"),
    ],
)
def test_numbers_are_written_short(value: Arg, words: str) -> None:
    assert say("twice", name=value) == words * 2


def test_a_word_for_a_value_is_found_by_argument_and_value() -> None:
    assert say("speaks", kind="ssh", name="ssh") == "It is an SSH server. ssh"
    assert say("speaks", kind="SSH", name="") == "It is SSH. "
    assert say("speaks", kind="smtp", name="") == "It is smtp. "


# --- languages


@pytest.mark.parametrize("language", ["de", "de_DE", "de_AT"])
def test_another_language_and_english_for_what_it_lacks(language: str) -> None:
    assert say("greet", language, name="Anna", host="x") == "Guten Tag Anna, von x."
    assert say("speaks", language, kind="ssh", name="") == "It is ein SSH-Server. "
    assert say("later", language) == "Found in the second catalogue."


@pytest.mark.parametrize("language", ["fr", "xx", "en_GB", ""])
def test_a_language_that_is_not_there_is_english(language: str) -> None:
    assert say("greet", language, name="Anna", host="x") == "Hello Anna, from x."


def test_without_any_catalogue_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "FOLDER", tmp_path)
    with pytest.raises(TextsMissing, match=DOMAINS[0]):
        say("greet")


@pytest.mark.parametrize(
    ("asked", "language"),
    [
        ("de", "de"),
        ("de-DE", "de_DE"),
        ("de_DE.UTF-8", "de_DE"),
        ("de_DE@euro", "de_DE"),
        ("DE", "de"),
        ("es-419", "es_419"),
        ("zh-Hans-CN", "zh_Hans_CN"),
        ("ca-valencia", "ca_valencia"),
        ("C", "en"),
        ("C.UTF-8", "en"),
        ("POSIX", "en"),
        ("../../x", "en"),
        ("..", "en"),
        ("de/../x", "en"),
        ("de\\x", "en"),
        ("C:\\x", "en"),
        ("de\0", "en"),
        ("de\n", "en"),
        ("dé", "en"),
        ("d" * 100_000, "en"),
        ("de" + "-DE" * 1000, "en"),
        ("de_", "en"),
        ("de__DE", "en"),
        (" de", "en"),
    ],
)
def test_a_language_tag_becomes_part_of_a_path_and_is_one(asked: str, language: str) -> None:
    assert wanted_language(asked) == language


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({"LANG": "de_DE.UTF-8"}, "de_DE"),
        ({"LANG": "fr_FR", "LC_MESSAGES": "de_AT"}, "de_AT"),
        ({"LANG": "fr_FR", "LC_MESSAGES": "de_AT", "LC_ALL": "it"}, "it"),
        ({"LC_ALL": "", "LANG": "it"}, "it"),
        ({"LANG": "../../x"}, "en"),
    ],
)
def test_the_users_own_language(
    environment: dict[str, str], language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert wanted_language() == language
    assert wanted_language("sv") == "sv"


def test_without_any_setting_there_is_still_a_language(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    assert wanted_language().isascii()


# --- strangers


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("PC-ANNA", "PC-ANNA"),
        ("Größe 大きさ ۷", "Größe 大きさ ۷"),
        ("\x1b[31mred\x1b[0m", "[31mred[0m"),
        ("\x1b]0;title\x07x", "]0;titlex"),
        ("\x9b31mred", "31mred"),
        ("a\x00b\x08c\x7fd", "abcd"),
        ("one\ntwo\r\nthree\tfour", "one two  three four"),
        ("line\u2028paragraph\u2029next\x85end\x0b\x0c", "lineparagraphnextend"),
        ("abc\u202egpj.exe", "abcgpj.exe"),
        ("\u2066a\u2069\u200b\u200e\ufeffb", "ab"),
        ("\U000e0041\U000e0042x", "x"),
        ("\ud800\udcffx", "x"),
        ("\ue000\U0010ffffx", "x"),
        ("{name} {0} %s <b>&amp;", "{name} {0} %s <b>&amp;"),
        ("2026-11-22T09:30:12Z", "2026-11-22 09:30 UTC"),
        ("2026-11-22T09:30:12.345678+00:00", "2026-11-22 09:30 UTC"),
        ("2026-11-22T09:30Z", "2026-11-22 09:30 UTC"),
        ("2026-11-22T09:30:12+01:00", "2026-11-22T09:30:12+01:00"),
        ("before 2026-11-22T09:30:12Z", "before 2026-11-22T09:30:12Z"),
    ],
)
def test_a_strangers_text_is_fit_for_one_line(said: str, shown: str) -> None:
    assert plain(said) == shown
    assert say("twice", name=said) == shown * 2


@pytest.mark.parametrize(
    ("said", "length"),
    [("x" * LONGEST_VALUE, LONGEST_VALUE), ("x" * 10_000, LONGEST_VALUE), ("\x1b" * 10_000 + "x", 0)],
)
def test_a_strangers_text_has_an_end(said: str, length: int) -> None:
    assert len(plain(said)) == length
    assert plain("x" * 10_000).endswith("x…")
    assert plain("abcdef", 4) == "abc…"


@pytest.mark.parametrize(
    "value", ["{host}", "{host.__class__}", "{0}", "{name}", "{{host}}", "%(host)s", "\\g<0>", "\\1"]
)
def test_a_value_is_never_read_as_a_placeholder(value: str) -> None:
    assert say("greet", name=value, host="SECRET") == f"Hello {value}, from SECRET."


@given(st.text(max_size=1000), st.integers(1, 300))
def test_nothing_that_steers_gets_through(said: str, longest: int) -> None:
    shown = plain(said, longest)
    assert len(shown) <= longest
    assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@given(st.text(max_size=60))
def test_any_value_stands_in_its_place(said: str) -> None:
    shown = Texts("en").say("greet", {"name": said, "host": "pc"})
    assert shown == f"Hello {plain(said)}, from pc."


@given(st.text(max_size=40))
def test_any_tag_stays_inside_the_folder(asked: str) -> None:
    language = wanted_language(asked)
    assert language.replace("_", "").isalnum()
    assert language.isascii()
    assert Texts(language).say("both") == "Both."
