import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.target import MAX_CHARS, Address, TargetError, TargetProblem, parse_target

LONG_LABEL = "a" * 63
LONGEST = ".".join([LONG_LABEL, LONG_LABEL, LONG_LABEL, "a" * 61])


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("pc-anna", "pc-anna", 3389),
        ("PC_ANNA", "PC_ANNA", 3389),
        ("_", "_", 3389),
        ("pc-anna.example.com", "pc-anna.example.com", 3389),
        ("pc-anna.example.com.", "pc-anna.example.com.", 3389),
        ("pc-anna:3390", "pc-anna", 3390),
        ("pc-anna.:3390", "pc-anna.", 3390),
        ("10.0.0.5", "10.0.0.5", 3389),
        ("10.0.0.5:65535", "10.0.0.5", 65535),
        ("4ever:1", "4ever", 1),
        ("  pc-anna\t", "pc-anna", 3389),
        ("::1", "::1", 3389),
        ("FE80::1%eth0", "fe80::1%eth0", 3389),
        ("[fe80::1%12]:3390", "fe80::1%12", 3390),
        ("[2001:DB8::5]", "2001:db8::5", 3389),
        ("2001:db8:0:0:0:0:0:5", "2001:db8::5", 3389),
        ("bücher.example", "xn--bcher-kva.example", 3389),
        ("电脑.example:3390", "xn--wnyy6w.example", 3390),
        ("xn--bcher-kva.example", "xn--bcher-kva.example", 3389),
        ("ｐｃ－ａｎｎａ：３３９０", "pc-anna", 3390),
        ("pc。example", "pc.example", 3389),
        ("\ufeffpc-anna", "pc-anna", 3389),
        (LONGEST, LONGEST, 3389),
        (LONGEST + ".:65535", LONGEST + ".", 65535),
    ],
)
def test_names_and_addresses(text, host, port):
    assert parse_target(text) == Address(host, port, text.strip())


def test_the_default_port_is_the_callers():
    assert parse_target("gw.example.com", default_port=443).port == 443
    assert parse_target("gw.example.com:8443", default_port=443).port == 8443


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "empty"),
        (" \r\n", "empty"),
        (":3389", "empty"),
        ("x" * 10_000, "too-long"),
        ("\ufdfa" * MAX_CHARS, "too-long"),
        ("a" * 64, "too-long"),
        (LONGEST + "b", "too-long"),
        ("ü" * 63, "not-a-name"),
        ("pc anna", "not-a-name"),
        ("pc\0anna", "not-a-name"),
        ("pc\nanna", "not-a-name"),
        ("pc-anna\x1b[31m", "not-a-name"),
        ("anna@pc", "not-a-name"),
        ("-pc", "not-a-name"),
        ("pc-", "not-a-name"),
        ("pc..example", "not-a-name"),
        (".", "not-a-name"),
        (".pc", "not-a-name"),
        ("pc-anna:3389:1", "not-a-name"),
        ("10.0.0.256", "not-a-name"),
        ("10.0.5", "not-a-name"),
        ("010.0.0.5", "not-a-name"),
        ("10.0.0.5.", "not-a-name"),
        ("12345", "not-a-name"),
        ("\ud800", "not-a-name"),
        ("<script>", "not-a-name"),
        ("pc-anna:", "port-not-a-number"),
        ("pc-anna:rdp", "port-not-a-number"),
        ("pc-anna:-1", "port-not-a-number"),
        ("pc-anna:33 89", "port-not-a-number"),
        ("pc-anna:٣٣٨٩", "port-not-a-number"),
        ("[::1]:", "port-not-a-number"),
        ("pc-anna:0", "port-out-of-range"),
        ("pc-anna:65536", "port-out-of-range"),
        ("pc-anna:" + "9" * 200, "port-out-of-range"),
        ("rdp://pc-anna", "looks-like-url"),
        ("https://pc-anna:3389/x", "looks-like-url"),
        ("pc-anna/", "looks-like-url"),
        ("/v:pc-anna", "looks-like-url"),
        ("\\\\pc-anna\\share", "looks-like-url"),
        ("fe80::1::2", "bad-ipv6"),
        ("1:2:3", "bad-ipv6"),
        ("[::1", "bad-ipv6"),
        ("[::1]3389", "bad-ipv6"),
        ("[pc-anna]:3389", "bad-ipv6"),
        ("[10.0.0.5]:3389", "bad-ipv6"),
        ("[]", "bad-ipv6"),
        ("fe80::1%", "bad-ipv6"),
        ("fe80::1%eth 0", "bad-ipv6"),
        ("fe80::1%a%b", "bad-ipv6"),
    ],
)
def test_what_names_no_computer(text, problem):
    with pytest.raises(TargetError) as caught:
        parse_target(text)
    assert caught.value.problem is TargetProblem(problem)
    assert caught.value.text == text.strip()[:MAX_CHARS]


fragments = st.sampled_from(
    ["pc", ".", ":", "[", "]", "%", "::", "1", "3389", "fe80", "-", "ü", "。", "٣", " ", "/"]
)


@given(st.text(max_size=320) | st.lists(fragments | st.characters(), max_size=12).map("".join))
def test_any_text(text):
    try:
        address = parse_target(text)
    except TargetError:
        return
    assert 1 <= address.port <= 65535
    assert address.host.isascii()
    assert address.host.isprintable()
    assert not set(address.host) & set(" /\\@[]<>\"'")
    # What came out is itself a way to write the same computer.
    again = f"[{address.host}]:{address.port}" if ":" in address.host else f"{address.host}:{address.port}"
    read = parse_target(again)
    assert (read.host, read.port) == (address.host, address.port)
