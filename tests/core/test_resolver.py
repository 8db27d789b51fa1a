"""What no real resolver can be made to say on the loopback."""

import asyncio
import socket
import threading
from collections.abc import Callable
from typing import Any, NoReturn

import pytest

from core import resolver
from core.ports import Resolution, ResolveFailure


def resolve(
    monkeypatch: pytest.MonkeyPatch, getaddrinfo: Callable[..., Any], timeout: float = 5.0
) -> Resolution:
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asyncio.run(resolver.resolve("pc.test", timeout=timeout))


def raising(error: OSError) -> Callable[..., NoReturn]:
    def getaddrinfo(*args: object, **kwargs: object) -> NoReturn:
        raise error

    return getaddrinfo


@pytest.mark.parametrize(
    ("code", "failure"),
    [
        (socket.EAI_NONAME, ResolveFailure.NOT_FOUND),
        (socket.EAI_AGAIN, ResolveFailure.TRY_AGAIN),
        (socket.EAI_FAIL, ResolveFailure.REFUSED),
        (socket.EAI_MEMORY, ResolveFailure.OTHER),
        (11004, ResolveFailure.NO_ADDRESS),  # WSANO_DATA
        (None, ResolveFailure.OTHER),
    ],
)
def test_codes_are_sorted_by_meaning(monkeypatch, code, failure):
    resolution = resolve(monkeypatch, raising(socket.gaierror(code, "words")))
    assert resolution.failure is failure
    assert resolution.detail == f"{code}: words"


def test_an_error_of_the_system_is_an_answer_too(monkeypatch):
    assert resolve(monkeypatch, raising(OSError(24, "words"))).failure is ResolveFailure.OTHER


def test_addresses_keep_their_order_and_their_zone_and_come_once(monkeypatch):
    found = [
        ("fe80::1", 0, 0, 4),
        ("2001:db8::1", 0, 0, 0),
        ("192.0.2.1", 0),
        ("192.0.2.1", 0),
        ("fe80::2%eth0", 0, 0, 4),
    ]
    resolution = resolve(monkeypatch, lambda *_, **__: [(0, 0, 0, "", sockaddr) for sockaddr in found])
    assert resolution.addresses == ("fe80::1%4", "2001:db8::1", "192.0.2.1", "fe80::2%eth0")


def test_an_empty_answer_is_no_address(monkeypatch):
    assert resolve(monkeypatch, lambda *_, **__: []).failure is ResolveFailure.NO_ADDRESS


def test_a_resolver_that_hangs_is_silent(monkeypatch):
    release = threading.Event()
    resolution = resolve(monkeypatch, lambda *_, **__: release.wait(30), timeout=0.05)
    release.set()
    assert resolution.failure is ResolveFailure.SILENT
    assert 50 <= resolution.took_ms < 5000
