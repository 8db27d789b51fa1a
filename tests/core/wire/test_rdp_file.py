import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.wire.errors import WireError
from core.wire.rdp_file import (
    MAX_BYTES,
    MAX_PROBLEMS,
    WITHHELD,
    AuthenticationLevel,
    GatewayUsage,
    Problem,
    ProblemKind,
    parse,
)

SAVED = """\
screen mode id:i:2
use multimon:i:0
desktopwidth:i:1920
session bpp:i:32
winposstr:s:0,1,0,0,800,600
full address:s:pc-anna.example.com:3390
audiomode:i:0
authentication level:i:2
prompt for credentials:i:0
negotiate security layer:i:1
enablecredsspsupport:i:1
gatewayhostname:s:gw.example.com
gatewayusagemethod:i:2
gatewayprofileusagemethod:i:1
gatewaycredentialssource:i:4
promptcredentialonce:i:1
server port:i:3389
username:s:EXAMPLE\\anna
domain:s:EXAMPLE
password 51:b:01000000D08C9DDF0115D1118C7A00C04FC297EB
"""
AS_SAVED = SAVED.replace("\n", "\r\n")


def lines(*given: str) -> bytes:
    return "".join(f"{line}\r\n" for line in given).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xfe" + AS_SAVED.encode("utf-16-le"),
        b"\xfe\xff" + AS_SAVED.encode("utf-16-be"),
        AS_SAVED.encode("utf-16-le"),
        AS_SAVED.encode("utf-16-be"),
        b"\xef\xbb\xbf" + AS_SAVED.encode(),
        AS_SAVED.encode(),
        SAVED.encode(),
        SAVED.replace("\n", "\r").encode(),
        SAVED.rstrip("\n").encode(),
        SAVED.upper().replace("EXAMPLE.COM", "example.com").replace("PC-ANNA", "pc-anna")
        .replace("GW", "gw").encode(),
        SAVED.replace("\n", " \r\n\r\n").replace(":s:", " : s : ").encode(),
    ],
    ids=["le", "be", "le-bare", "be-bare", "utf8-mark", "utf8", "lf", "cr", "no-end", "upper", "spaced"],
)  # fmt: skip
def test_a_saved_connection_in_every_form(data):
    file = parse(data)
    assert file.problems == ()
    assert file.full_address == "pc-anna.example.com:3390"
    assert file.alternate_full_address is None
    assert file.server_port == 3389
    assert file.gateway_hostname == "gw.example.com"
    assert file.gateway_usage is GatewayUsage.DETECT
    assert file.gateway_explicit is True
    assert file.authentication_level is AuthenticationLevel.WARN
    assert file.credssp is True
    assert file.negotiate_security_layer is True
    assert file.entra_auth is None
    assert file.load_balance_info is None
    assert file.use_redirection_server_name is None
    assert file.names_user
    assert len(file.settings) == 20


def test_the_settings_of_a_farm():
    file = parse(
        lines(
            "full address:s:farm.example.com",
            "alternate full address:s:farm.example.com",
            "loadbalanceinfo:s:tsv://MS Terminal Services Plugin.1.Office",
            "use redirection server name:i:1",
            "enablerdsaadauth:i:1",
            "enablecredsspsupport:i:0",
            "negotiate security layer:i:0",
            "authentication level:i:1",
        )
    )
    assert file.alternate_full_address == "farm.example.com"
    assert file.load_balance_info == "tsv://MS Terminal Services Plugin.1.Office"
    assert file.use_redirection_server_name is True
    assert file.entra_auth is True
    assert file.credssp is False
    assert file.negotiate_security_layer is False
    assert file.authentication_level is AuthenticationLevel.REFUSE
    assert not file.names_user


@pytest.mark.parametrize(
    "line",
    [
        "password 51:b:S3CRET01",
        "Password 51 :B: S3CRET",
        "password:s:S3CRET",
        "gatewayaccesstoken:s:S3CRET",
        "username:s:S3CRET",
        "domain:s:S3CRET",
        "remoteapplicationcmdline:s:/password S3CRET",
        "alternate shell:s:S3CRET",
        "some new string:s:S3CRET",
        "some new blob:b:S3CRET",
        "full address:b:S3CRET",
        "full address:s:pc\r\npassword 51:b:S3CRET",
        "password 51:x:S3CRET",
        "password 51 S3CRET",
        "password:i:S3CRET",
        "username:s:S3CRET\r\nusername:s:S3CRET",
    ],
)
def test_secrets_and_names_of_people_are_not_kept(line):
    assert "S3CRET" not in repr(parse(lines("full address:s:pc", line)))


def test_what_is_not_kept_is_still_known_to_be_there():
    file = parse(lines("password 51:b:00", "username:s:anna", "password:i:1234"))
    assert dict(file.settings) == {"password 51": WITHHELD, "username": WITHHELD, "password": WITHHELD}


def test_an_empty_value_hides_nothing():
    file = parse(lines("username:s:", "password 51:b:"))
    assert not file.names_user
    assert dict(file.settings) == {"username": "", "password 51": ""}


def test_the_settings_cannot_be_changed():
    file = parse(lines("full address:s:pc"))
    with pytest.raises(TypeError):
        file.settings["full address"] = "other"  # type: ignore[index]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("just text", ProblemKind.BAD_LINE),
        ("one:colon", ProblemKind.BAD_LINE),
        (":i:1", ProblemKind.BAD_LINE),
        ("\0\0\0\0", ProblemKind.BAD_LINE),
        ("server port:i:", ProblemKind.BAD_INTEGER),
        ("server port:i:three", ProblemKind.BAD_INTEGER),
        ("server port:i:0x10", ProblemKind.BAD_INTEGER),
        ("server port:i:٣٣", ProblemKind.BAD_INTEGER),
        ("server port:i:" + "9" * 11, ProblemKind.BAD_INTEGER),
        ("server port:x:1", ProblemKind.BAD_TYPE),
        ("FULL ADDRESS:s:other", ProblemKind.DUPLICATE),
    ],
)
def test_damaged_lines(line, kind):
    file = parse(lines("full address:s:pc", line, "compression:i:1"))
    assert file.problems == (Problem(2, kind),)
    assert file.settings["compression"] == 1
    assert file.server_port is None


def test_of_a_name_given_twice_the_later_line_counts():
    file = parse(lines("server port:i:1", "full address:s:a", "Server Port:i:2"))
    assert file.server_port == 2
    assert file.problems == (Problem(3, ProblemKind.DUPLICATE),)


@pytest.mark.parametrize("end", ["server po", "server port:i", "server port:i:"])
def test_a_file_that_ends_in_the_middle_of_a_line(end):
    assert parse(lines("full address:s:pc") + end.encode()).problems == (Problem(2, ProblemKind.TRUNCATED),)


def test_half_a_character_at_the_end():
    data = b"\xff\xfe" + "compression:i:1\r\nfull address:s:pc".encode("utf-16-le")
    file = parse(data + b"\x0d")
    assert file.problems == (Problem(2, ProblemKind.TRUNCATED),)
    assert file.full_address == "pc"


@pytest.mark.parametrize(
    ("data", "address"),
    [
        ("compression:i:1\r\nfull address:s:bücher\r\n".encode("cp1252"), "bücher"),
        (b"\xef\xbb\xbfcompression:i:1\nfull address:s:b\xfccher\n", "b\ufffdcher"),
        ("\ufeffcompression:i:1\nfull address:s:b".encode("utf-16-le") + b"\x00\xd8x\x00", "b\ufffdx"),
    ],
)
def test_letters_that_the_encoding_does_not_explain(data, address):
    file = parse(data)
    assert file.full_address == address
    assert file.problems == (Problem(2, ProblemKind.ENCODING),)


def test_other_alphabets():
    assert parse(b"\xff\xfe" + "full address:s:电脑\r\n".encode("utf-16-le")).full_address == "电脑"


def test_values_of_the_wrong_type_or_out_of_range():
    file = parse(
        lines(
            "full address:i:1",
            "gatewayhostname:s:",
            "server port:s:3389",
            "gatewayusagemethod:i:7",
            "authentication level:i:-1",
            "enablecredsspsupport:s:1",
        )
    )
    assert file.full_address is None
    assert file.gateway_hostname is None
    assert file.server_port is None
    assert file.gateway_usage is None
    assert file.authentication_level is None
    assert file.credssp is None


def test_a_port_is_given_as_written():
    assert parse(b"server port:i:70000").server_port == 70000


def test_problems_are_counted_only_so_far():
    file = parse(lines("full address:s:pc", *["x"] * 1000))
    assert len(file.problems) == MAX_PROBLEMS


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "empty"),
        (b"\0" * 4096, "only zero bytes"),
        (b"PK\x03\x04\x14\0\0\0", "ZIP"),
        (b"MZ\x90\0", "program"),
        (b"L\0\0\0\x01\x14\x02\0\0\0", "shortcut"),
        (b"%PDF-1.7", "PDF"),
        (b"\xef\xbb\xbf\r\n<!DOCTYPE html>\n<html>", "web page"),
        (b'{"a": 1}', "JSON"),
        (b"hello\r\nworld\r\n", "no line of the form"),
        (b"\r\n\r\n", "no line of the form"),
        (b"12:30:15 log", "no line of the form"),
        (bytes(range(256)), "no line of the form"),
        (b"x" * (MAX_BYTES + 1), "too many"),
    ],
)
def test_what_is_no_rdp_file(data, what):
    with pytest.raises(WireError, match=what):
        parse(data)


def test_the_largest_file_is_read():
    start = b"full address:s:pc\r\n"
    assert parse(start + b":" * (MAX_BYTES - len(start))).full_address == "pc"


fragments = st.sampled_from(
    ["full address", "password", "username", ":", "i", "s", "b", "\r\n", "\r", "1", "ü"]
)
texts = st.lists(fragments | st.text(max_size=5), max_size=30).map("".join)
codecs = st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])


@given(st.binary(max_size=200) | st.builds(lambda text, codec: text.encode(codec, "replace"), texts, codecs))
@example(b"\xff\xfe")
@example(b"a\0")
def test_any_bytes(data):
    try:
        file = parse(data)
    except WireError:
        return
    assert all(0 < problem.line <= len(data) + 1 for problem in file.problems)
    assert all(name == name.strip().lower() for name in file.settings)
    for name in ("password", "username"):
        assert file.settings.get(name, "") in {"", WITHHELD}
    assert all(
        getattr(file, name) is None or isinstance(getattr(file, name), str)
        for name in ("full_address", "alternate_full_address", "gateway_hostname", "load_balance_info")
    )
