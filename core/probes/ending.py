"""Who hung up, at which step, after how long, how."""

from enum import StrEnum

import msgspec

from core.probes.dialer import Hangup, HungUp

SAMPLE = 64  # bytes of an unexpected answer that are kept as evidence


class Step(StrEnum):
    """Steps of the connection sequence, in order (MS-RDPBCGR 1.3.1.1); HTTP is the one of a gateway."""

    TCP = "tcp"
    X224 = "x224"
    TLS = "tls"
    CREDSSP = "credssp"
    MCS = "mcs"
    LICENSING = "licensing"
    HTTP = "http"


class How(StrEnum):
    """How a step ended without its proper answer.

    FIN and RST are no evidence of who refused: a server that closes with unread input sends RST too.
    INCOMPLETE: an answer began and did not end in time. GARBAGE: it ended, and cannot be what it should be.
    """

    FIN = "fin"
    RST = "rst"
    SILENCE = "silence"
    INCOMPLETE = "incomplete"
    FLOOD = "flood"
    ALERT = "alert"
    PLAINTEXT = "plaintext"
    GARBAGE = "garbage"


CLOSED = frozenset({How.FIN, How.RST})


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a conversation that did not get through.

    Attributes:
        after_ms: from the start of that step.
        received: bytes that came in during that step.
        alert: the TLS alert's number, with `how` ALERT.
        sample: the first bytes of what came instead of the answer, as hex.
        detail: what was wrong with it, for evidence.
    """

    step: Step
    how: How
    after_ms: float
    received: int = 0
    alert: int | None = None
    sample: str = ""
    detail: str = ""


def ended(step: Step, hung: HungUp, *, after_ms: float, received: bytes) -> Ending:
    """The Ending for a peer that hung up, fell silent or flooded us during a step."""
    how = How(hung.how.value)
    if hung.how is Hangup.SILENCE and received:
        how = How.INCOMPLETE
    return Ending(step=step, how=how, after_ms=after_ms, received=len(received), sample=sample(received))


def garbage(step: Step, why: object, *, after_ms: float, received: bytes) -> Ending:
    """The Ending for bytes that cannot be what the step demands."""
    return Ending(
        step=step,
        how=How.GARBAGE,
        after_ms=after_ms,
        received=len(received),
        sample=sample(received),
        detail=str(why),
    )


def sample(data: bytes) -> str:
    return data[:SAMPLE].hex()
