"""Many fits in one request: lines are accepted as they arrive, and their results sent right away.

Reading never waits for writing, because most clients send everything before they read the first result.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import msgspec
from msgspec import UNSET
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.computing.content import Content
from api.dependencies import visible
from api.fitting.decoding import READ_S_PER_BYTE, read_body
from api.problems import problem, unexpected
from api.schemas.decoding import decode
from api.schemas.jobs import BulkResult
from api.schemas.requests import BulkLine
from api.services import Services
from shared.domain.access import Caller
from shared.domain.series import check_series_id
from shared.errors import AccessError, Code, InputError, TsadError
from shared.fitting.accepting import Accepted, Outcome, accept
from shared.fitting.checking import Fit, Origin
from shared.settings import Settings
from shared.store.engine import Sessions
from shared.wording import counted

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/x-ndjson"
LINES_AT_A_TIME = 100  # in one transaction

_LINE = msgspec.json.Decoder(BulkLine)

Line = tuple[int, Content]  # with its number


@dataclass(frozen=True, slots=True)
class _Decoded:
    """What some lines hold, by their numbers. Blank lines hold nothing."""

    fits: dict[int, Fit] = field(default_factory=dict)
    stored: dict[int, BulkLine] = field(default_factory=dict)  # whose points are in the database
    rejected: dict[int, bytes] = field(default_factory=dict)  # encoded results


class BulkAnswer(Response):
    """A response that reads its request while it sends results. Fits stay accepted if the client disconnects."""

    def __init__(self, services: Services, request_id: str, caller: Caller) -> None:
        super().__init__()
        self._services = services
        self._request_id = request_id
        self._caller = caller

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send one result per line, in order."""
        results: asyncio.Queue[bytes | None] = asyncio.Queue()
        reading = asyncio.create_task(self._read(Request(scope, receive), results))
        headers = [(b"content-type", MEDIA_TYPE.encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        while (part := await results.get()) is not None:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        await reading

    async def _read(self, request: Request, results: "asyncio.Queue[bytes | None]") -> None:
        number = 0
        try:
            async for lines in _lines(request.stream()):
                for start in range(0, len(lines), LINES_AT_A_TIME):
                    group = list(enumerate(lines[start : start + LINES_AT_A_TIME], number + 1))
                    self._check_number(group[-1][0])
                    self._check_caller()
                    decoded = await self._decode_in_lane(group)
                    results.put_nowait(await self._services.lanes.accepting(self._accept, group, decoded))
                    number = group[-1][0]
        except ClientDisconnect:
            logger.info("%s: the client of a bulk fit disconnected; lines before: %d", self._request_id, number)
        except TsadError as error:  # concerns the request as a whole; the fits before it stay accepted
            results.put_nowait(_result(self._request_id, number + 1, None, error))
        except Exception:
            logger.exception("%s: a bulk fit failed; lines before: %d", self._request_id, number)
            results.put_nowait(_result(self._request_id, number + 1, None, unexpected()))
        finally:
            results.put_nowait(None)

    async def _decode_in_lane(self, lines: list[Line]) -> _Decoded:
        cost_s = sum(len(line) for _, line in lines) * READ_S_PER_BYTE
        return await self._services.lanes.computing(
            self._caller.key_id, cost_s, _decode, lines, self._request_id, self._caller, self._services.settings
        )

    def _accept(self, lines: list[Line], decoded: _Decoded) -> bytes:
        """Accept the fits in one transaction; return the encoded results of all lines, in order."""
        for _, line in lines:
            line.clear()
        for number, body in decoded.stored.items():
            _add(
                decoded, number, body, self._request_id, self._caller, self._services.settings, self._services.sessions
            )
        fits = {number: decoded.fits[number] for number in sorted(decoded.fits)}
        results = decoded.rejected
        try:
            accepted = accept(self._services.acceptor, list(fits.values()))
        except TsadError as error:
            accepted = [error] * len(fits)
        for (number, fit), outcome in zip(fits.items(), accepted, strict=True):
            results[number] = _result(self._request_id, number, fit.series_id, outcome)
        return b"".join(results[number] for number in sorted(results))

    def _check_caller(self) -> None:
        """Raise `AccessError` if the key became invalid since the request began, which may be hours ago."""
        if not self._services.keyring.is_valid(self._caller):
            sentence = "The API key expired or was revoked during this request. Earlier fits remain accepted."
            raise AccessError(Code.UNAUTHENTICATED, sentence)

    def _check_number(self, number: int) -> None:
        max_lines = self._services.settings.max_bulk_lines
        if number > max_lines:
            sentence = (
                f"A bulk fit may have at most {counted(max_lines, 'line')} (MAX_BULK_LINES). "
                "Send the rest in another request."
            )
            raise InputError(Code.TOO_MANY_LINES, sentence)


def _decode(lines: list[Line], request_id: str, caller: Caller, settings: Settings) -> _Decoded:
    """Return the valid fits and the results of invalid lines, and the lines that name a window of stored points."""
    decoded = _Decoded()
    for number, line in lines:
        content = line.whole()
        if not content.strip():
            continue
        try:
            body = decode(_LINE, content)
        except TsadError as error:
            decoded.rejected[number] = _result(request_id, number, None, error)
            continue
        if body.stored is UNSET:
            _add(decoded, number, body, request_id, caller, settings)
        else:
            decoded.stored[number] = body
    return decoded


def _add(
    decoded: _Decoded,
    number: int,
    body: BulkLine,
    request_id: str,
    caller: Caller,
    settings: Settings,
    sessions: Sessions | None = None,
) -> None:
    """Check the fit of a line, and add it or the reason why it is invalid."""
    try:
        series_id = visible(check_series_id(body.series_id), caller)
        origin = Origin(f"{request_id}.{number}", caller.key_id, body.idempotency_key)
        decoded.fits[number] = read_body(series_id, body, settings, origin, sessions)
    except TsadError as error:
        decoded.rejected[number] = _result(request_id, number, body.series_id[:128], error)


def _result(request_id: str, number: int, series_id: str | None, outcome: Outcome) -> bytes:
    result = BulkResult(number, series_id)
    if isinstance(outcome, Accepted):
        result.job_id, result.status, result.unchanged = outcome.job_id, outcome.status, not outcome.is_new
    else:
        result.problem = problem(outcome, f"{request_id}.{number}")
    return msgspec.json.encode(result) + b"\n"


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[list[Content]]:
    """Yield the lines that each chunk completes, at most `LINES_AT_A_TIME`. The last line needs no newline."""
    incomplete: list[bytes] = []  # parts of a line, joined only once, because a line may be as long as a body
    async for chunk in chunks:
        head, *rest = chunk.split(b"\n", LINES_AT_A_TIME)
        incomplete.append(head)
        while rest:
            yield [Content(incomplete), *map(_line, rest[:-1])]
            head, *rest = rest[-1].split(b"\n", LINES_AT_A_TIME)
            incomplete = [head]
    if last := Content(incomplete):
        yield [last]


def _line(content: bytes) -> Content:
    return Content([content])
