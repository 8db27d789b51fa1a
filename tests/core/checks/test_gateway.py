from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from core.checks.gateway import CHECK, GatewayCheckFact, judge
from core.demo import certificates
from core.demo.faults import Certificate as Made
from core.demo.faults import Tls
from core.demo.stream import Gone, Stream
from core.model import Arg, Gateway, Row, State
from core.ports import ResolveFailure
from core.probes.dialer import Attempt, Connect
from core.probes.ending import Ending, How, Step
from core.probes.gateway import GatewayFact, RequestFact
from core.probes.tls_step import TlsFact
from core.wire.certificate import Certificate
from core.wire.gateway import GatewayAnswer
from tests.support import running
from tests.support.fakes import FakeClock, FakeMachine, FakeNames
from tests.support.loopback import Peer, listening, run, says
from tests.support.running import fact, reason, run_one

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)
NAME = "gw.example"

CERTIFICATE = Certificate(
    common_name="gw.example",
    issuer="Example CA",
    names=("gw.example", "*.example"),
    not_before=NOW - 100 * DAY,
    not_after=NOW + 100 * DAY,
    key_type="rsa",
    key_bits=2048,
    signature_hash="sha256",
    self_issued=False,
    usages=(),
    encipherment=True,
    sha1="a" * 40,
    sha256="b" * 64,
)


def request(
    answer: GatewayAnswer | None, *, status: int | None = 401, verb: str = "RDG_OUT_DATA"
) -> RequestFact:
    return RequestFact(verb=verb, took_ms=4.56, answer=answer, status=status)


def rpc(answer: GatewayAnswer | None, status: int = 401) -> RequestFact:
    return request(answer, status=status, verb="RPC_OUT_DATA")


def ended(how: How) -> RequestFact:
    ending = Ending(step=Step.HTTP, how=how, after_ms=3000.0)
    return RequestFact(verb="RDG_OUT_DATA", took_ms=1.0, ending=ending)


SECURED = TlsFact(took_ms=1.0, version="TLSv1.3", certificate=b"der")
BROKEN = TlsFact(took_ms=1.0, ending=Ending(step=Step.TLS, how=How.FIN, after_ms=3.0))
REFUSED = Attempt(address="192.0.2.5", port=443, outcome=Connect.REFUSED, took_ms=1.0)
ALIVE = GatewayFact(
    host=NAME,
    port=443,
    addresses=("192.0.2.5",),
    tls=SECURED,
    requests=(request(GatewayAnswer.ALIVE_AUTH), rpc(GatewayAnswer.NOT_A_GATEWAY, 404)),
)


def seen(fact: GatewayFact, certificate: Certificate | None = CERTIFICATE) -> GatewayCheckFact:
    return GatewayCheckFact(seen=fact, certificate=certificate, now=NOW)


def asked(*requests: RequestFact) -> GatewayCheckFact:
    return seen(replace(ALIVE, requests=requests))


@pytest.mark.parametrize(
    ("what", "finding", "args"),
    [
        (seen(ALIVE), "gateway.ok", {"verb": "RDG_OUT_DATA", "ms": 4.6}),
        (
            asked(request(GatewayAnswer.ALIVE_TOKEN), rpc(None)),
            "gateway.ok",
            {"verb": "RDG_OUT_DATA", "ms": 4.6},
        ),
        # The older transport is as good, whatever the newer one says.
        (
            asked(request(GatewayAnswer.NOT_A_GATEWAY, status=404), rpc(GatewayAnswer.ALIVE_AUTH)),
            "gateway.ok",
            {"verb": "RPC_OUT_DATA", "ms": 4.6},
        ),
        (asked(ended(How.FIN), rpc(GatewayAnswer.ALIVE_AUTH)), "gateway.ok", None),
        (
            seen(GatewayFact(host=NAME, port=443, name_failure=ResolveFailure.NOT_FOUND)),
            "gateway.name-not-found",
            {"why": "not-found"},
        ),
        (
            seen(GatewayFact(host=NAME, port=443, addresses=("192.0.2.5",), connect=REFUSED)),
            "gateway.not-answering",
            {"outcome": "refused"},
        ),
        (
            seen(GatewayFact(host=NAME, port=443, addresses=("192.0.2.5",), tls=BROKEN)),
            "gateway.tls-failed",
            {"how": "fin"},
        ),
        (
            seen(GatewayFact(host=NAME, port=443, addresses=("192.0.2.5",))),
            "gateway.tls-failed",
            {"how": None},
        ),
        (
            asked(request(GatewayAnswer.WEB_PORTAL, status=302), rpc(GatewayAnswer.NOT_A_GATEWAY, 404)),
            "gateway.portal",
            {"status": 302},
        ),
        (
            asked(request(GatewayAnswer.NOT_A_GATEWAY, status=404), rpc(GatewayAnswer.NOT_A_GATEWAY, 403)),
            "gateway.not-a-gateway",
            {"status": 404},
        ),
        (
            asked(request(GatewayAnswer.VERB_BLOCKED, status=405), rpc(GatewayAnswer.VERB_BLOCKED, 501)),
            "gateway.method-blocked",
            {"status": 405},
        ),
        (
            asked(request(GatewayAnswer.STOPPED, status=503), rpc(GatewayAnswer.OTHER, 500)),
            "gateway.stopped",
            {"status": 503},
        ),
        (
            asked(request(GatewayAnswer.OTHER, status=418), rpc(GatewayAnswer.STOPPED, 503)),
            "gateway.stopped",
            {"status": 503},
        ),
        # An answer tells more than an end.
        (
            asked(ended(How.RST), rpc(GatewayAnswer.NOT_A_GATEWAY, 404)),
            "gateway.not-a-gateway",
            {"status": 404},
        ),
        (asked(ended(How.RST), ended(How.FIN)), "gateway.hung-up", {"how": "rst"}),
        (asked(ended(How.SILENCE), ended(How.SILENCE)), "gateway.hung-up", {"how": "silence"}),
        (
            asked(request(GatewayAnswer.OTHER, status=418), rpc(GatewayAnswer.OTHER, 500)),
            "gateway.unclear",
            {"status": 418},
        ),
        (asked(), "gateway.unclear", {"status": None}),
    ],
)
def test_judge(what: GatewayCheckFact, finding: str, args: dict[str, Arg] | None) -> None:
    (found,) = judge(what)
    assert found.id == finding
    states = {"gateway.ok": State.OK, "gateway.unclear": State.UNKNOWN}
    assert found.state is states.get(finding, State.PROBLEM)
    if args is not None:
        assert found.args == {"gateway": NAME, "port": 443, **args}


@pytest.mark.parametrize(
    ("certificate", "finding", "args"),
    [
        (
            replace(CERTIFICATE, not_after=NOW - DAY),
            "gateway.certificate-expired",
            {"not_after": "2026-11-21T09:00:00+00:00"},
        ),
        (
            replace(CERTIFICATE, not_before=NOW + DAY),
            "gateway.certificate-not-yet-valid",
            {"not_before": "2026-11-23T09:00:00+00:00"},
        ),
        (
            replace(CERTIFICATE, names=("other.example.org",)),
            "gateway.certificate-wrong-name",
            {"name": "other.example.org"},
        ),
        # Where there are other names, the common name does not count (RFC 9525 2).
        (
            replace(CERTIFICATE, common_name="gw.example", names=("x.test",)),
            "gateway.certificate-wrong-name",
            {"name": "x.test"},
        ),
        (
            replace(CERTIFICATE, common_name=None, names=()),
            "gateway.certificate-wrong-name",
            {"name": ""},
        ),
        (replace(CERTIFICATE, names=("GW.Example",)), "gateway.ok", None),
        (replace(CERTIFICATE, names=("*.example",)), "gateway.ok", None),
        (replace(CERTIFICATE, names=()), "gateway.ok", None),
        # One that cannot be read proves nothing.
        (None, "gateway.ok", None),
    ],
)
def test_the_certificate_counts(
    certificate: Certificate | None, finding: str, args: dict[str, Arg] | None
) -> None:
    (found,) = judge(seen(ALIVE, certificate))
    assert found.id == finding
    if args is not None:
        assert (found.state, found.args) == (State.PROBLEM, {"gateway": NAME, **args})


@pytest.mark.parametrize("host", ["gw.example.", "GW.EXAMPLE"])
def test_the_typed_name_may_look_different(host: str) -> None:
    assert judge(seen(replace(ALIVE, host=host)))[0].id == "gateway.ok"


def test_a_gateway_by_its_address() -> None:
    with_address = replace(CERTIFICATE, names=("192.0.2.5",))
    assert judge(seen(replace(ALIVE, host="192.0.2.5"), with_address))[0].id == "gateway.ok"
    assert (
        judge(seen(replace(ALIVE, host="192.0.2.6"), with_address))[0].id == "gateway.certificate-wrong-name"
    )


# --- the probe


class Web:
    """A talk over TLS that has one answer to everything."""

    def __init__(self, answer: bytes, certificate: Made) -> None:
        self._answer = answer
        self._context = certificates.server_context(Tls(), certificate)

    async def __call__(self, peer: Peer) -> None:
        stream = Stream(peer.sock)
        try:
            await stream.secure(self._context)
            await stream.read(1)
            await stream.write(self._answer)
        except Gone:
            return
        await peer.silence()


def check(answer: bytes, certificate: Made, *, name: str = NAME) -> Row:
    async def go() -> Row:
        machine = FakeMachine(names=FakeNames({name: ["127.0.0.1"]}), clock=FakeClock(datetime.now(UTC)))
        async with listening(Web(answer, certificate)) as server:
            there = Gateway(host=name, port=server.port)
            rows = await running.run(machine, [CHECK], "pc-anna", gateway=there)
            return rows["gateway"]

    return run(go())


NTLM = b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Negotiate\r\n\r\n"
STOPPED = b"HTTP/1.1 503 Service Unavailable\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "certificate", "finding"),
    [
        (NTLM, Made(name=NAME), "gateway.ok"),
        (NTLM, Made(name="other.example"), "gateway.certificate-wrong-name"),
        (NTLM, Made(name=NAME, starts=-9 * DAY, ends=-DAY), "gateway.certificate-expired"),
        (NTLM, Made(name=NAME, starts=DAY), "gateway.certificate-not-yet-valid"),
        (STOPPED, Made(name=NAME), "gateway.stopped"),
        (STOPPED, Made(name="other.example"), "gateway.certificate-wrong-name"),
    ],
)
def test_what_a_gateway_shows(answer: bytes, certificate: Made, finding: str) -> None:
    row = check(answer, certificate)
    assert row.findings[0].id == finding
    assert row.tries == (1 if finding == "gateway.ok" else 2)
    assert len(fact(row).seen.requests) == 2


def test_a_port_without_tls() -> None:
    async def go() -> Row:
        machine = FakeMachine(names=FakeNames({NAME: ["127.0.0.1"]}))
        async with listening(says(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server:
            there = Gateway(host=NAME, port=server.port)
            rows = await running.run(machine, [CHECK], "pc-anna", gateway=there)
            return rows["gateway"]

    (found,) = run(go()).findings
    assert (found.id, found.args["how"]) == ("gateway.tls-failed", "plaintext")


def test_without_a_gateway_there_is_nothing_to_check() -> None:
    row = run_one(FakeMachine(), CHECK, host="127.0.0.1")
    assert (row.findings[0].state, reason(row)) == (State.SKIPPED, "no-gateway")
