"""One core for both clients, without input or output.

An operation is a generator: it yields calls and pauses, receives what became of them, and returns its result. A client
carries them out, blocking or in an event loop (`tsad_client.running`). So each operation is written once.
"""

import random
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from itertools import count
from time import time
from typing import Any, Protocol, TypeAlias, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from tsad_client import codes
from tsad_client.errors import (
    BusyError,
    Problem,
    ProblemError,
    TsadError,
    UnavailableError,
    UnexpectedResponseError,
    UnreachableError,
)

T = TypeVar("T")
Page = TypeVar("Page", bound="HasCursor")

FIRST_BACKOFF_S = 0.5
LONGEST_BACKOFF_S = 10
LARGEST_PAGE = 200
EXCERPT = 200  # characters of a response that is not from tsad
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
_PROBLEM = msgspec.json.Decoder(Problem)


class HasCursor(Protocol):
    """A page of a list."""

    @property
    def next_cursor(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Call:
    """A request. `path` has placeholders, as in the OpenAPI document; None in `query` and `headers` is left out.

    `content` is an encoded body. A `repeatable` call may be sent again if nobody knows whether it was carried out.
    """

    method: str
    path: str
    names: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str | None] = field(default_factory=dict)
    content: bytes | None = None
    media_type: str = "application/json"
    repeatable: bool = True
    longest_s: float = 0  # how long the service may wait before it responds

    @property
    def url(self) -> str:
        """The path with the names in it, quoted."""
        return self.path.format_map({name: quote(value, safe="") for name, value in self.names.items()})

    @property
    def parameters(self) -> dict[str, Any]:
        """The query string's parameters."""
        return {
            name: str(value).lower() if isinstance(value, bool) else value
            for name, value in self.query.items()
            if value is not None
        }

    @property
    def all_headers(self) -> dict[str, str]:
        """The headers, including the type of the body."""
        given = {name: value for name, value in self.headers.items() if value is not None}
        return given if self.content is None else {"Content-Type": self.media_type, **given}


@dataclass(frozen=True, slots=True)
class Pause:
    """A time to wait before the next call."""

    seconds: float


Outcome: TypeAlias = httpx.Response | httpx.HTTPError | None  # of a call; None: of a pause
Steps: TypeAlias = Generator[Call | Pause, Outcome, T]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one operation waits in total: while the service is busy, and while it cannot be reached."""

    busy_s: float = 60
    unreachable_s: float = 10

    def pause_s(self, call: Call, error: TsadError, attempt: int, waited_s: float) -> float | None:
        """Return how long to wait before the call is sent again; None if it must not be.

        A call that is not repeatable is sent again only if it certainly was not carried out.
        """
        if not may_pass(error) or not (call.repeatable or _certainly_refused(error)):
            return None
        longest_s = min(FIRST_BACKOFF_S * 2**attempt, LONGEST_BACKOFF_S)
        pause_s = random.uniform(longest_s / 2, longest_s)  # noqa: S311 - clients must not return all at once
        if isinstance(error, ProblemError) and error.retry_after_s is not None:
            pause_s = error.retry_after_s + random.uniform(0, FIRST_BACKOFF_S)  # noqa: S311
        total_s = self.unreachable_s if isinstance(error, UnreachableError) else self.busy_s
        return pause_s if waited_s + pause_s <= total_s else None


def may_pass(error: BaseException) -> bool:
    """Whether the same request may succeed later."""
    return isinstance(error, BusyError | UnavailableError | UnreachableError)


def _certainly_refused(error: TsadError) -> bool:
    if isinstance(error, UnreachableError):
        return not error.maybe_done
    return not isinstance(error, codes.OutcomeUnknownError)


def ask(call: Call, answer: type[T], patience: Patience) -> Steps[T]:
    """Send a call until it succeeds, and return the decoded response.

    Waits while the service is busy or cannot be reached; raises the error of the last attempt when that takes too long.
    """
    content = yield from fetch(call, patience)
    return _decoded(call, msgspec.json.Decoder(answer).decode, content)


def ask_lines(call: Call, answer: type[T], patience: Patience) -> Steps[list[T]]:
    """Send a call as `ask` does, and return the decoded lines of the response."""
    content = yield from fetch(call, patience)
    return _decoded(call, msgspec.json.Decoder(answer).decode_lines, content)


def ask_pages(
    call: Call, answer: type[Page], entries: Callable[[Page], list[T]], patience: Patience, limit: int
) -> Steps[list[T]]:
    """Send a call as `ask` does, for page after page, and return at most `limit` entries."""
    found: list[T] = []
    cursor: str | None = None
    while len(found) < limit:
        query = {**call.query, "limit": min(LARGEST_PAGE, limit - len(found)), "cursor": cursor}
        page = yield from ask(replace(call, query=query), answer, patience)
        found += entries(page)
        cursor = page.next_cursor
        if cursor is None:
            break
    return found


def fetch(call: Call, patience: Patience) -> Steps[bytes]:
    """Send a call as `ask` does, and return the body of the response."""
    waited_s = 0.0
    for attempt in count():
        outcome = yield call
        if isinstance(outcome, httpx.Response) and outcome.is_success:
            return outcome.content
        error = error_of(call, outcome)
        pause_s = patience.pause_s(call, error, attempt, waited_s)
        if pause_s is None:
            raise error
        yield Pause(pause_s)
        waited_s += pause_s
    raise AssertionError  # count() does not end


def _decoded(call: Call, decode: Callable[[bytes], T], content: bytes) -> T:
    try:
        return decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        text = f"The response to {call.method} {call.url} cannot be read ({error}). Check the URL and the releases."
        raise UnexpectedResponseError(text) from None


def error_of(call: Call, outcome: Outcome) -> TsadError:
    """Return the error for a call that did not succeed."""
    if not isinstance(outcome, httpx.Response):
        reason = str(outcome).rstrip(".") or type(outcome).__name__
        text = f"{call.method} {call.url} got no response: {reason}. Does the service run at this URL?"
        return UnreachableError(text, maybe_done=not isinstance(outcome, _NEVER_SENT))
    try:
        problem = _PROBLEM.decode(outcome.content)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        excerpt = " ".join(outcome.text[:EXCERPT].split())
        text = f"{call.method} {call.url} returned status {outcome.status_code}, but not from tsad: {excerpt!r}."
        away = outcome.status_code in (502, 503, 504)  # the response of a proxy
        return UnreachableError(text) if away else UnexpectedResponseError(f"{text} Check the URL.")
    return codes.error_of(problem, _retry_after_s(outcome.headers.get("Retry-After", "")))


def _retry_after_s(text: str) -> float | None:
    """Read the header `Retry-After`: seconds, or a date."""
    if text.isdecimal():
        return float(text)
    try:
        return max(parsedate_to_datetime(text).timestamp() - time(), 0)
    except ValueError:
        return None
