import asyncio
import subprocess
import sys
import time
from collections.abc import Iterable

import dns.flags
import dns.message
import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.probes import names
from core.probes.names import Answer, Outcome, ask, ask_all, can_be_asked, is_loopback, literal
from tests.support.name_server import NameServer, Script, asked_name, knows, response, says, serving, silent

PC = {"pc.example": ["192.0.2.5", "2001:db8::5"]}


def asking(script: Script, *, name: str = "pc.example", timeout: float = 1.5, tcp: bool = False) -> Answer:
    return talk(script, name=name, timeout=timeout, tcp=tcp)[0]


def talk(script: Script, *, name: str, timeout: float = 1.5, tcp: bool = False) -> tuple[Answer, NameServer]:
    async def run() -> tuple[Answer, NameServer]:
        async with serving(script, tcp=tcp) as server:
            return await ask(server.address, name, port=server.port, timeout=timeout), server

    return asyncio.run(run())


# --- answers


def test_both_families_of_addresses() -> None:
    answer, server = talk(knows(PC), name="pc.example")
    assert (answer.server, answer.name, answer.outcome) == ("127.0.0.1", "pc.example", Outcome.FOUND)
    assert (answer.addresses, answer.alias) == (("192.0.2.5", "2001:db8::5"), None)
    assert 0 < answer.took_ms < 1000
    assert sorted(server.asked) == [("pc.example", "A"), ("pc.example", "AAAA")]


def test_addresses_behind_an_alias() -> None:
    answer = asking(knows({"pc.example": ["real.example"], "real.example": ["192.0.2.6"]}))
    assert (answer.outcome, answer.addresses, answer.alias) == (Outcome.FOUND, ("192.0.2.6",), "real.example")
    assert asking(knows({"pc.example": ["real.example"], "real.example": []})).outcome is Outcome.NODATA


@pytest.mark.parametrize(
    ("code", "outcome", "detail"),
    [
        (dns.rcode.NXDOMAIN, Outcome.NXDOMAIN, ""),
        (dns.rcode.NOERROR, Outcome.NODATA, ""),
        (dns.rcode.SERVFAIL, Outcome.SERVFAIL, "SERVFAIL"),
        (dns.rcode.REFUSED, Outcome.REFUSED, ""),
        (dns.rcode.NOTIMP, Outcome.SERVFAIL, "NOTIMP"),
    ],
)
def test_response_codes(code: dns.rcode.Rcode, outcome: Outcome, detail: str) -> None:
    answer = asking(says(code))
    assert (answer.outcome, answer.addresses, answer.detail) == (outcome, (), detail)


@pytest.mark.parametrize(
    ("a", "aaaa", "outcome"),
    [
        ("found", "silent", Outcome.FOUND),
        ("nodata", "found", Outcome.FOUND),
        ("nxdomain", "silent", Outcome.NXDOMAIN),
        ("nodata", "silent", Outcome.SILENT),
        ("nodata", "servfail", Outcome.SERVFAIL),
        ("nodata", "nodata", Outcome.NODATA),
    ],
)
def test_two_questions_make_one_answer(a: str, aaaa: str, outcome: Outcome) -> None:
    def script(query: dns.message.Message, tcp: bool) -> Iterable[bytes]:
        wanted = a if query.question[0].rdtype == dns.rdatatype.A else aaaa
        scripts = {
            "found": knows(PC),
            "silent": silent,
            "nxdomain": says(dns.rcode.NXDOMAIN),
            "nodata": says(dns.rcode.NOERROR),
            "servfail": says(dns.rcode.SERVFAIL),
        }
        return scripts[wanted](query, tcp)

    assert asking(script, timeout=0.4).outcome is outcome


def test_a_server_with_very_many_addresses() -> None:
    answer = asking(knows({"pc.example": [f"192.0.2.{n}" for n in range(200)]}))
    assert len(answer.addresses) == 16


def test_server_on_ipv6() -> None:
    async def run() -> Answer:
        async with serving(knows(PC), address="::1") as server:
            return await ask("::1", "pc.example", port=server.port)

    assert asyncio.run(run()).outcome is Outcome.FOUND


# --- no answers


def test_silent_server() -> None:
    answer = asking(silent, timeout=0.2)
    assert answer.outcome is Outcome.SILENT
    assert answer.took_ms >= 200


def test_nobody_listens() -> None:
    async def run() -> Answer:
        async with serving(silent) as server:
            port = server.port
        return await ask("127.0.0.1", "pc.example", port=port)

    answer = asyncio.run(run())
    assert answer.outcome is Outcome.SILENT
    assert answer.detail
    assert answer.took_ms < 1000, "an ICMP error is known at once"


def test_no_way_to_the_server() -> None:
    answer = asyncio.run(ask("fe80::1%nowhere0", "pc.example"))
    assert (answer.outcome, answer.took_ms < 1000) == (Outcome.SILENT, True)


def test_a_lost_datagram_is_sent_again() -> None:
    seen: set[str] = set()

    def script(query: dns.message.Message, tcp: bool) -> Iterable[bytes]:
        kind = dns.rdatatype.to_text(query.question[0].rdtype)
        if kind in seen:
            yield from knows(PC)(query, tcp)
        seen.add(kind)

    answer = asking(script)
    assert answer.outcome is Outcome.FOUND
    assert answer.took_ms >= 700


# --- wrong answers


def wrong_id(query: dns.message.Message) -> bytes:
    reply = response(query, {"pc.example": ["203.0.113.66"]})
    reply.id = query.id ^ 1
    return reply.to_wire()


def other_name(query: dns.message.Message) -> bytes:
    other = dns.message.make_query("bank.example", query.question[0].rdtype, id=query.id)
    return response(other, {"bank.example": ["203.0.113.66"]}).to_wire()


def not_a_reply(query: dns.message.Message) -> bytes:
    return query.to_wire()


def cut(query: dns.message.Message) -> bytes:
    return response(query, PC).to_wire()[:-2]


WRONG = [
    wrong_id,
    other_name,
    not_a_reply,
    cut,
    lambda _: b"\0",
    lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n",
]


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_answer_is_not_the_answer(wrong) -> None:
    def both(query: dns.message.Message, tcp: bool) -> Iterable[bytes]:
        yield wrong(query)
        yield from knows(PC)(query, tcp)

    answer = asking(both)
    assert (answer.outcome, answer.addresses) == (Outcome.FOUND, ("192.0.2.5", "2001:db8::5"))
    assert asking(lambda query, _: [wrong(query)], timeout=0.4).outcome is Outcome.GARBAGE


def test_a_flood_of_wrong_answers_ends() -> None:
    started = time.perf_counter()
    answer = asking(lambda query, _: [wrong_id(query)] * 100)
    assert answer.outcome is Outcome.GARBAGE
    assert time.perf_counter() - started < 1


# --- too long for a datagram


def truncated(records: dict[str, list[str]]) -> Script:
    def script(query: dns.message.Message, tcp: bool) -> Iterable[bytes]:
        reply = response(query, PC if tcp else records)
        reply.flags |= 0 if tcp else dns.flags.TC
        yield reply.to_wire()

    return script


def test_the_rest_comes_by_tcp() -> None:
    answer, server = talk(truncated({"pc.example": []}), name="pc.example", tcp=True)
    assert answer.addresses == ("192.0.2.5", "2001:db8::5")
    assert len(server.asked) == 4


@pytest.mark.parametrize(("part", "outcome"), [([], Outcome.GARBAGE), (["192.0.2.7"], Outcome.FOUND)])
def test_the_rest_does_not_come(part: list[str], outcome: Outcome) -> None:
    answer = asking(truncated({"pc.example": part}))
    assert (answer.outcome, answer.addresses) == (outcome, tuple(part))


def test_tcp_hangs_up() -> None:
    def hang_up(query: dns.message.Message, tcp: bool) -> Iterable[bytes]:
        return [] if tcp else truncated({"pc.example": []})(query, tcp)

    assert asking(hang_up, tcp=True).outcome is Outcome.GARBAGE


# --- any bytes


@given(st.binary(max_size=600))
def test_any_bytes_are_read_or_ignored(data: bytes) -> None:
    question = names._question("pc.example", "A")
    assert question.read(data) is None or data[:2] == question.wire[:2]


@given(st.lists(st.tuples(st.integers(2, 200), st.integers(0, 255)), max_size=6), st.integers(0, 200))
def test_any_broken_reply_is_read_or_ignored(changes: list[tuple[int, int]], length: int) -> None:
    question = names._question("pc.example", "A")
    query = dns.message.from_wire(question.wire)
    records = {"pc.example": ["real.example"], "real.example": ["192.0.2.6", "192.0.2.7"]}
    data = bytearray(response(query, records).to_wire())
    for place, value in changes:
        data[place % len(data)] = value
    reply = question.read(bytes(data[: max(length, 12)]))
    assert reply is None or all(literal(address) for address in reply.addresses)


# --- several at once


def test_everyone_is_asked_at_once_and_in_order() -> None:
    forms = ("pc.example", "a.example", "b.example", "c.example")

    async def run() -> tuple[Answer, ...]:
        async with serving(knows(PC)) as one, serving(silent, address="127.0.0.2", port=one.port) as two:
            return await ask_all((two.address, one.address), forms, port=one.port, timeout=0.4)

    started = time.perf_counter()
    answers = asyncio.run(run())
    assert time.perf_counter() - started < 4 * 0.4
    assert [(answer.server, answer.name) for answer in answers] == [
        *(("127.0.0.2", form) for form in forms),
        *(("127.0.0.1", form) for form in forms),
    ]
    assert [answer.outcome for answer in answers] == [Outcome.SILENT] * 4 + [Outcome.FOUND] + [
        Outcome.NXDOMAIN
    ] * 3


def test_asked_names_are_complete() -> None:
    answer, server = talk(knows({"pc": ["192.0.2.5"]}), name="PC.")
    assert (answer.outcome, answer.name) == (Outcome.FOUND, "PC.")
    assert {name for name, _ in server.asked} == {"pc"}


# --- names without questions


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("localhost", True),
        ("LocalHost.", True),
        ("rdp.localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("localhost.example", False),
        ("mylocalhost", False),
        ("10.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("fe80::1%eth0", False),
        ("0.0.0.0", False),
    ],
)
def test_what_means_this_computer(host: str, here: bool) -> None:
    assert is_loopback(host) is here


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("pc", True),
        ("pc_1.corp.example.", True),
        ("pc..example", False),
        ("pc.", True),
        ("", False),
        (".", False),
        ("a" * 64, False),
        (".".join(["a" * 60] * 5), False),
        ("pc.\udcff", False),
        ("pc.\\999", False),
    ],
)
def test_what_fits_into_a_question(name: str, fits: bool) -> None:
    assert can_be_asked(name) is fits


@given(st.text(max_size=300))
def test_any_suffix_can_be_tried(suffix: str) -> None:
    assert can_be_asked(f"pc.{suffix}") in (True, False)


def test_dnspython_is_not_loaded_before_it_is_needed() -> None:
    code = "import sys, core.checks.names; sys.exit(any(m.partition('.')[0] == 'dns' for m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_names_in_questions_come_back_as_sent() -> None:
    query = dns.message.from_wire(names._question("pc.example", "AAAA").wire)
    assert asked_name(query) == "pc.example"
    assert query.edns == -1
    assert query.flags & dns.flags.RD
