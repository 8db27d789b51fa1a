"""The system resolver, asked through getaddrinfo: the same way, order and cache as every program on this PC."""

import asyncio
import socket
import time

from core import blocking
from core.ports import Resolution, ResolveFailure

# A lower layer (NSS module, Winsock provider) may know codes that the socket module of this platform does not
# name. Windows reuses the WSA codes (getaddrinfo, "Return value"), where EAI_NODATA is written WSANO_DATA.
_WSANO_DATA = 11004
_MEANINGS = (
    (ResolveFailure.NOT_FOUND, ("EAI_NONAME",)),
    (ResolveFailure.NO_ADDRESS, ("EAI_NODATA", "EAI_ADDRFAMILY")),
    (ResolveFailure.TRY_AGAIN, ("EAI_AGAIN",)),
    # "The name server returned a permanent failure indication" (getaddrinfo(3)). glibc itself says EAI_AGAIN
    # for a server's REFUSED and SERVFAIL alike.
    (ResolveFailure.REFUSED, ("EAI_FAIL",)),
)


def _by_code() -> dict[int, ResolveFailure]:
    codes = {_WSANO_DATA: ResolveFailure.NO_ADDRESS}
    for failure, names in _MEANINGS:
        for name in names:
            code = getattr(socket, name, None)
            if code is not None:
                # Windows gives EAI_NODATA the number of EAI_NONAME: the first meaning stays.
                codes.setdefault(code, failure)
    return codes


_BY_CODE = _by_code()


async def resolve(name: str, *, timeout: float) -> Resolution:
    """Resolve `name` as `Names.resolve` says. Takes at most `timeout` seconds: then the failure is `silent`."""
    started = time.perf_counter()
    addresses: tuple[str, ...] = ()
    failure: ResolveFailure | None = None
    detail = ""
    try:
        async with asyncio.timeout(timeout):
            addresses = await blocking.call(lambda: _ask(name), name="getaddrinfo")
    except TimeoutError:
        failure, detail = ResolveFailure.SILENT, f"no answer within {timeout:g} s"
    except socket.gaierror as error:
        failure = _BY_CODE.get(error.errno or 0, ResolveFailure.OTHER)
        detail = f"{error.errno}: {error.strerror}"
    except OSError as error:
        failure, detail = ResolveFailure.OTHER, f"{error.errno}: {error.strerror}"
    except ValueError as error:
        # Not a host name at all (a label of 64 characters, an empty one, a lone surrogate): nothing was asked.
        failure, detail = ResolveFailure.NOT_FOUND, str(error)[:200]
    if failure is None and not addresses:
        failure = ResolveFailure.NO_ADDRESS
    took_ms = round((time.perf_counter() - started) * 1000, 2)
    return Resolution(name=name, addresses=addresses, failure=failure, detail=detail, took_ms=took_ms)


def _ask(name: str) -> tuple[str, ...]:
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(_text(sockaddr) for *_, sockaddr in found))


def _text(sockaddr: tuple[object, ...]) -> str:
    """The address with its zone, which getaddrinfo tells as a number beside it (`fe80::1%4`)."""
    host = str(sockaddr[0])
    zone = sockaddr[3] if len(sockaddr) == 4 else 0
    return f"{host}%{zone}" if zone and "%" not in host else host
