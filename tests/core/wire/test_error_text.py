"""The samples follow the layout that mstsc copies with Ctrl+C; sentences and labels are written for the tests."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.wire.error_text import MAX_CHARS, PastedError, parse

GUID = "1f2e3d4c-aaaa-4bbb-8ccc-0123456789ab"
NOON = datetime(2026, 11, 22, 12, 58, 3, tzinfo=UTC)

ENGLISH = f"""\
[Window Title]
Remote Desktop Connection

[Content]
The connection has ended for one of these reasons:

1) The other computer is off
2) 3389 is not open

Remote computer: PC-ANNA

[^] Hide details  [OK]

[Expanded Information]
Error code: 0x904
Extended error code: 0x7
Timestamp (UTC): 11/22/26 12:58:03 PM
Activity ID: {GUID.upper()}

Press Ctrl+C to copy.
"""
GERMAN = f"""\
[Fenstertitel]
Remotedesktopverbindung

[Inhalt]
Die Verbindung wurde getrennt.

Remotecomputer: pc-anna.example.com

[Erweiterte Informationen]
Fehlercode: 0x904
Erweiterter Fehlercode: 0x7
Zeitstempel (UTC): 11/22/26 12:58:03 PM
Aktivitäts-ID: {GUID}
"""
JAPANESE = f"""\
[ウィンドウ タイトル]
リモート デスクトップ接続

[内容]
接続が終了しました。

リモート コンピューター：ＰＣ－ＡＮＮＡ

[詳細情報]
エラー コード：0x904
拡張エラー コード：0x7
タイムスタンプ (UTC)：11/22/26 12:58:03 PM
アクティビティ ID：{GUID}
"""
CHINESE = f"""\
[Window Title]
远程桌面连接

[Content]
连接已结束。

[^] 隐藏详细信息(D)  [确定]

[Expanded Information]
错误代码： ０ｘ９０４
扩展错误代码： ０ｘ７
时间戳 (UTC)： 11/22/26 12:58:03 PM
活动 ID： {GUID}

按Ctrl+C进行复制。
"""


@pytest.mark.parametrize(
    ("text", "computer"),
    [
        (ENGLISH, "PC-ANNA"),
        (GERMAN, "pc-anna.example.com"),
        (JAPANESE, "PC-ANNA"),
        (CHINESE, None),
        (ENGLISH.replace("\n", "\r\n"), "PC-ANNA"),
        (ENGLISH.replace(" PM", "\u202fPM").replace("0x", "\u200e0X"), "PC-ANNA"),
        (" ".join(ENGLISH.split()), None),
    ],
    ids=["english", "german", "japanese", "chinese", "crlf", "odd-spaces", "one-line"],
)
def test_a_whole_message(text, computer):
    assert parse(text) == PastedError(code=0x904, extended=7, activity_id=GUID, when=NOON, computer=computer)


@pytest.mark.parametrize(
    ("text", "code", "extended"),
    [
        ("Error code: 0x904  Extended error code: 0x7", 0x904, 7),
        ("Error code:0x904,Extended error code:0x7", 0x904, 7),
        ("Code d'erreur : 0x904\u3000Code étendu : 0x7", 0x904, 7),
        ("错误代码0x904扩展错误代码0x7", 0x904, 7),
        ("错误代码：0x904扩展错误代码：0x7时间戳", 0x904, 7),
        ("0x904/0x7", 0x904, 7),
        ("0x904 0x7", 0x904, 7),
        ("0x904-0x7", 0x904, 7),
        ("(0x904, 0x7)", 0x904, 7),
        ("I get 0x904 / 0x7 since Monday", 0x904, 7),
        ("Error code: 0x904 and 0x7", 0x904, 7),
        ("it says 0x904:0x7 today", 0x904, 7),
        ("Error code: 0x904:0x7", 0x904, 7),
        ("0X00000904", 0x904, None),
        ("0x904", 0x904, None),
        ("  0x904.\n", 0x904, None),
        ("Error code: 0x904", 0x904, None),
        ("Error code: 0x904 (2308)", 0x904, None),
        ("0x904 (2308)", 0x904, None),
        ("2308 (0x904)", 0x904, None),
        ("0x904 7", 0x904, 7),
        ("2308 7", 2308, 7),
        ("2308/7", 2308, 7),
        ("- 0x904 -", 0x904, None),
        ("0x0 0x0", 0, 0),
        ("2308", 2308, None),
        ("516", 516, None),
        ("error 2308 (extended 7)", 2308, 7),
        ("mstsc says error 2308.", 2308, None),
        ("Fehlercode: 2308, erweiterter Fehlercode: 7", 2308, 7),
        ("Код ошибки: 2308\nРасширенный код ошибки: 7", 2308, 7),
        ("エラー コード: 2308 拡張エラー コード: 7", 2308, 7),
        ("错误代码：2308扩展错误代码：7", 2308, 7),
        ("An error has occurred (Code: 0x80004005).", 0x80004005, None),
        ("0xFFFFFFFF", 0xFFFFFFFF, None),
        ("Error code: 0x3000008\nExtended error code: 0x0", 0x3000008, 0),
        ("Error code: 0x0\nExtended error code: 0x0", 0, 0),
        ("An error (Code: 0x80080005).\nError code: 0x0\nExtended error code: 0x0", 0x80080005, 0),
        (
            "Error code: 0x204\nExtended error code: 0x0\n\nError code: 0x904\nExtended error code: 0x7",
            0x904,
            7,
        ),
        ("Error code: 0x904\nExtended error code: 0xZZ", 0x904, None),
        ("0x904 and, a long while and many words later on, 0x7", 0x904, None),
        ("0x904 0x7 10.0.0.5:3389 3 times", 0x904, 7),
        (f"0x904 0x7 {GUID}", 0x904, 7),
    ],
)
def test_codes(text, code, extended):
    found = parse(text)
    assert found is not None
    assert (found.code, found.extended) == (code, extended)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \r\n\t",
        "Remote Desktop does not work",
        "it failed 3 times on port 3389 at 10.0.0.5",
        "call 555 7",
        "Error: 3 attempts failed",
        "error 10.0.0.5",
        "code 2026-11-22",
        "next 500 PCs",
        "-5",
        "-0x904",
        "Error code: -0x904",
        "Error code: 0x800004005",
        "Error code: 0x123456789 Extended error code: 0x7",
        "错误代码：0x90x\n扩展错误代码：0x7",
        "0x",
        "0xyz",
        "abc0x904",
        "99999999999",
        "4294967296",
        GUID,
        "11/22/26 12:58:03 PM",
        "2026-11-22T12:58:03Z",
        f"Activity ID: {GUID}\nTimestamp (UTC): 11/22/26 12:58:03 PM\nRemote computer: pc",
    ],
)
def test_text_without_a_code(text):
    assert parse(text) is None


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("11/22/26 12:58:03 PM", NOON),
        ("11/22/2026, 12:58:03 p.m.", NOON),
        ("11/22/26 12:58 PM", NOON.replace(second=0)),
        ("11/22/26 12:58:03 AM", NOON.replace(hour=0)),
        ("11/22/26 01:58:03 PM", NOON.replace(hour=13)),
        ("11/22/26 23:58:03", NOON.replace(hour=23)),
        ("2026-11-22T12:58:03Z", NOON),
        ("2026-11-22 12:58:03", NOON),
        ("2026-11-22T13:58:03.000+01:00", NOON),
        ("2026-11-22T13:58:03+0100", NOON),
        ("1１/22/26 12:58:03 PM", NOON),
        ("22/11/26 12:58:03 PM", None),
        ("11/31/26 12:58:03 PM", None),
        ("11/22/26 13:58:03 PM", None),
        ("11/22/26 00:58:03 AM", None),
        ("2026-13-22T12:58:03Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("9999-12-31T23:59:59-14:00", None),
        ("yesterday", None),
        ("01/02/25 1:00:00 AM then 11/22/26 12:58:03 PM", NOON),
        ("2025-01-02T03:04:05Z then 11/22/26 12:58:03 PM", NOON),
    ],
)
def test_times(time, expected):
    found = parse(f"Error code: 0x904\nExtended error code: 0x7\nTimestamp (UTC): {time}")
    assert found is not None
    assert found.when == expected
    assert (found.code, found.extended) == (0x904, 7)


@pytest.mark.parametrize(
    ("line", "computer"),
    [
        ("Remote computer: POC01", "POC01"),
        ("Ordinateur distant : poc01.example.com:3390", "poc01.example.com:3390"),
        ("Equipo remoto: 10.0.0.5", "10.0.0.5"),
        ("远程计算机： 10.0.0.5", "10.0.0.5"),
        ("Remote computer:", None),
        ("Remote computer: not one word", None),
        ("Operating system: Windows", None),
        ("Remote computer: " + "x" * 256, None),
    ],
)
def test_the_remote_computer(line, computer):
    found = parse(f"{line}\nError code: 0x904")
    assert found is not None
    assert found.computer == computer


def test_only_the_start_of_a_long_text_is_read():
    assert parse(" " * (MAX_CHARS - 5) + "0x904") == PastedError(code=0x904)
    assert parse(" " * MAX_CHARS + "0x904") is None


@given(
    st.integers(0, 0xFFFFFFFF),
    st.integers(0, 0xFFFF),
    st.text(st.characters(categories=["L"], exclude_characters="xXｘＸ"), max_size=20),
    st.sampled_from([":", "：", " : ", "： "]),
    st.sampled_from([" ", "\n", "\r\n", "\u3000"]),
)
def test_labels_in_any_language(code, extended, label, colon, between):
    text = f"{label}{colon}{code:#x}{between}{label}{colon}{extended:#x}"
    found = parse(text)
    assert found is not None
    assert (found.code, found.extended) == (code, extended)


fragments = st.sampled_from(
    [
        "0x",
        "904",
        ":",
        "：",
        " ",
        "\n",
        "-",
        "/",
        "error ",
        "AM",
        "11/22/26 ",
        "12:58",
        GUID,
        "computer",
        "2026-11-22T",
    ]
)


@given(st.text(max_size=200) | st.lists(fragments | st.text(max_size=3), max_size=40).map("".join))
def test_any_text(text):
    found = parse(text)
    if found is not None:
        assert 0 <= found.code <= 0xFFFFFFFF
        assert found.extended is None or 0 <= found.extended <= 0xFFFFFFFF
        assert found.when is None or found.when.tzinfo is UTC


@pytest.mark.parametrize(
    "unit",
    [
        *("0x", "0x9", "0", ":", " ", ": ", "-", "a", "error ", "err", "ext", "1/", "11/22/26 ", "0-", "\n", "computer"),
        *("12345678-", "2026-11-22 ", "\u0301\u0327", "\ufdfa", "ｘ", "错误代码", "code: ", "0x9 ", "5 ", "\ud800"),
    ],
)  # fmt: skip
def test_hostile_repetition_takes_linear_time(unit):
    # Quadratic work on 20,000 characters would take minutes; this takes milliseconds.
    parse(unit * MAX_CHARS)
    parse("7" + unit * MAX_CHARS)
