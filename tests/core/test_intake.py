"""Everything that a person can type, drop or paste where a computer or a file is asked for."""

import contextlib
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.intake import Intake, IntakeError, read, read_rdp
from core.model import Gateway
from core.text import Texts
from core.wire.rdp_file import MAX_BYTES

on_posix = pytest.mark.skipif(sys.platform == "win32", reason="needs the special files of POSIX")


def typed(text: str | None, **more: str) -> Intake:
    return Intake(target=text, **more)


def refused(given_: Intake) -> str:
    """The sentence that a person gets."""
    with pytest.raises(IntakeError) as caught:
        read(given_)
    words = Texts("en").say(caught.value.text_id, caught.value.values)
    assert words != caught.value.text_id, "this refusal has no words"
    assert words.isprintable()
    return caught.value.text_id.removeprefix("intake.")


def rdp(folder: Path, *lines: str, name: str = "pc.rdp") -> str:
    path = folder / name
    path.write_text("\r\n".join(lines), encoding="utf-8")
    return str(path)


# --- names and ports


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("pc-anna", "pc-anna", 3389),
        (" pc-anna:3390 ", "pc-anna", 3390),
        ("192.0.2.5:1", "192.0.2.5", 1),
        ("[2001:db8::5]:65535", "2001:db8::5", 65535),
        ("2001:db8::5", "2001:db8::5", 3389),
        ("bücher.example", "xn--bcher-kva.example", 3389),
    ],
)
def test_a_computer_is_named(text: str, host: str, port: int) -> None:
    target = read(typed(text))
    assert (target.host, target.port, target.typed) == (host, port, text.strip())
    assert (target.gateway, target.rdp) == (None, None)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "empty"),
        ("   ", "empty"),
        (":3389", "empty"),
        ("pc anna", "not-a-name"),
        ("-pc", "not-a-name"),
        ("pc..example", "not-a-name"),
        ("256.0.0.1", "not-a-name"),
        ("<script>", "not-a-name"),
        ("Error code: 0x904", "not-a-name"),
        ("pc\x1b[31m", "not-a-name"),
        ("pc\0", "not-a-name"),
        ("pc\udcff", "not-a-name"),
        ("https://pc-anna", "looks-like-url"),
        ("\\\\pc-anna\\share", "looks-like-url"),
        ("pc-anna:0", "port-out-of-range"),
        ("pc-anna:65536", "port-out-of-range"),
        ("pc-anna:99999999999999999999", "port-out-of-range"),
        ("pc-anna:", "port-not-a-number"),
        ("pc-anna:rdp", "port-not-a-number"),
        ("pc-anna:-1", "port-not-a-number"),
        ("[::1", "bad-ipv6"),
        ("::g", "not-a-name"),
        ("1::2::3", "bad-ipv6"),
        ("x" * 254, "too-long"),
        ("x" * 1_000_000, "too-long"),
    ],
    ids=lambda text: ascii(text[:20]),
)
def test_what_names_no_computer_gets_a_sentence(text: str, problem: str) -> None:
    assert refused(typed(text)) == problem


def test_without_a_target_there_is_only_this_computer() -> None:
    target = read(typed(None))
    assert (target.host, target.typed, target.gateway) == (None, "", None)


@given(st.text(max_size=60))
def test_any_text_is_a_target_or_refused(text: str) -> None:
    with contextlib.suppress(IntakeError):
        target = read(typed(text))
        assert target.host
        assert 1 <= target.port <= 65535


# --- .rdp files


def test_a_file_as_target_and_a_file_beside_it_say_the_same(tmp_path: Path) -> None:
    path = rdp(tmp_path, "full address:s:pc-anna:3390", name="PC Anna.RDP")
    for given_ in (typed(path), typed(None, rdp=path)):
        target = read(given_)
        assert (target.host, target.port, target.typed) == ("pc-anna", 3390, "pc-anna:3390")
        assert target.rdp is not None
        assert target.rdp.full_address == "pc-anna:3390"


@pytest.mark.parametrize(
    ("lines", "text", "host", "port"),
    [
        (["full address:s:pc-anna", "server port:i:3391"], None, "pc-anna", 3391),
        (["full address:s:pc-anna:3392", "server port:i:3391"], None, "pc-anna", 3392),
        (["full address:s:pc-anna", "alternate full address:s:pc-berta"], None, "pc-berta", 3389),
        # What was typed wins over what the file says, and the file's port is still its port.
        (["full address:s:pc-anna", "server port:i:3391"], "pc-berta", "pc-berta", 3391),
        (["full address:s:pc-anna"], "pc-berta:3393", "pc-berta", 3393),
        (["server port:i:3391"], "pc-berta", "pc-berta", 3391),
    ],
)
def test_where_a_file_leads(tmp_path: Path, lines: list[str], text: str | None, host: str, port: int) -> None:
    target = read(typed(text, rdp=rdp(tmp_path, *lines)))
    assert (target.host, target.port) == (host, port)


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (["screen mode id:i:2"], "rdp-without-address"),
        (["full address:s:"], "rdp-without-address"),
        (["full address:s:pc anna"], "not-a-name"),
        (["full address:s:pc-anna:0"], "port-out-of-range"),
        (["full address:s:pc-anna", "server port:i:0"], "port-out-of-range"),
        (["full address:s:pc-anna", "server port:i:70000"], "port-out-of-range"),
        (["full address:s:pc-anna", "server port:i:-1"], "port-out-of-range"),
        (["hello"], "rdp-damaged"),
        ([""], "rdp-damaged"),
        (["<html>"], "rdp-damaged"),
    ],
)
def test_a_file_that_leads_nowhere(tmp_path: Path, lines: list[str], problem: str) -> None:
    assert refused(typed(rdp(tmp_path, *lines))) == problem


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert refused(typed(str(tmp_path / "nowhere.rdp"))) == "rdp-unreadable"
    assert refused(typed(None, rdp="")) == "rdp-unreadable"
    assert refused(typed(None, rdp="a\0b")) == "rdp-unreadable"
    assert refused(typed("x" * 5000 + ".rdp")) == "rdp-unreadable"


def test_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "folder.rdp"
    folder.mkdir()
    assert refused(typed(str(folder))) == "rdp-unreadable"


def test_an_empty_file(tmp_path: Path) -> None:
    assert refused(typed(rdp(tmp_path))) == "rdp-damaged"


def test_a_file_of_a_gigabyte_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "big.rdp"
    with path.open("wb") as file:
        file.truncate(1 << 30)  # sparse: takes no room
    assert refused(typed(str(path))) == "rdp-too-big"


@pytest.mark.parametrize(("size", "fits"), [(MAX_BYTES, True), (MAX_BYTES + 1, False)])
def test_the_longest_file(tmp_path: Path, size: int, fits: bool) -> None:
    path = tmp_path / "long.rdp"
    start = b"full address:s:pc-anna\r\n"
    path.write_bytes(start + b"\n" * (size - len(start)))
    if fits:
        assert read(typed(str(path))).host == "pc-anna"
    else:
        assert refused(typed(str(path))) == "rdp-too-big"


@on_posix
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "pipe.rdp"
    getattr(os, "mkfifo")(path)  # noqa: B009 - Windows has none, as a type checker knows
    assert refused(typed(str(path))) == "rdp-unreadable"


@on_posix
def test_a_device_is_no_file() -> None:
    assert refused(typed(None, rdp="/dev/zero")) == "rdp-unreadable"
    assert refused(typed(None, rdp="/dev/null")) == "rdp-unreadable"


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs the proc file system of Linux")
def test_a_file_that_breaks_while_it_is_read() -> None:
    # A regular file that anyone may open, and that has nothing to read at its beginning.
    assert refused(typed(None, rdp="/proc/self/mem")) == "rdp-unreadable"


@on_posix
def test_a_file_that_one_may_not_read(tmp_path: Path) -> None:
    path = Path(rdp(tmp_path, "full address:s:pc-anna"))
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    assert refused(typed(str(path))) == "rdp-unreadable"


@on_posix
def test_a_file_name_that_is_no_text(tmp_path: Path) -> None:
    name = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe\x1b[31m.rdp")
    assert refused(typed(name)) == "rdp-unreadable"
    Path(name).write_bytes(b"full address:s:pc-anna")
    assert read(typed(name)).host == "pc-anna"
    Path(name).write_bytes(b"hello")
    assert refused(typed(name)) == "rdp-damaged"


def test_a_link_to_a_file_is_followed(tmp_path: Path) -> None:
    link = tmp_path / "link.rdp"
    try:
        link.symlink_to(rdp(tmp_path, "full address:s:pc-anna"))
    except OSError:
        pytest.skip("this user may not make links")
    assert read_rdp(str(link)).full_address == "pc-anna"


# --- gateways


def test_a_gateway_on_the_command_line_is_always_used() -> None:
    assert read(typed("pc", gateway="gw.example")).gateway == Gateway(
        host="gw.example", port=443, always=True
    )
    assert read(typed("pc", gateway="[2001:db8::1]:8443")).gateway == Gateway(host="2001:db8::1", port=8443)


@pytest.mark.parametrize(
    ("text", "problem"), [("", "empty"), ("https://gw", "looks-like-url"), ("gw:0", "port-out-of-range")]
)
def test_a_gateway_that_is_none(text: str, problem: str) -> None:
    assert refused(typed("pc", gateway=text)) == problem


@pytest.mark.parametrize(
    ("usage", "gateway"),
    [
        ("gatewayusagemethod:i:0", None),
        ("gatewayusagemethod:i:1", Gateway(host="gw.example", port=443, always=True)),
        ("gatewayusagemethod:i:2", Gateway(host="gw.example", port=443, always=False)),
        ("gatewayusagemethod:i:3", None),
        ("gatewayusagemethod:i:4", None),
        ("gatewayusagemethod:i:99", None),
        ("gatewayusagemethod:s:1", None),
        ("", None),
    ],
)
def test_a_gateway_in_a_file_counts_as_the_file_says(
    tmp_path: Path, usage: str, gateway: Gateway | None
) -> None:
    path = rdp(tmp_path, "full address:s:pc", "gatewayhostname:s:gw.example", usage)
    assert read(typed(path)).gateway == gateway
    other = read(typed(path, gateway="other.example:444"))
    assert other.gateway == Gateway(host="other.example", port=444, always=True)


def test_a_gateway_in_a_file_may_be_wrong_or_missing(tmp_path: Path) -> None:
    always = "gatewayusagemethod:i:1"
    wrong = rdp(tmp_path, "full address:s:pc", always, "gatewayhostname:s:gw example")
    assert refused(typed(wrong)) == "not-a-name"
    missing = rdp(tmp_path, "full address:s:pc", always, "gatewayhostname:s:")
    assert read(typed(missing)).gateway is None
