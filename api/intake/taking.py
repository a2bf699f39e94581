"""Storing the points of a request through the same ingest as all points. A child of the API may do this.

`pushing` is what the process has that calls these functions.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
from structlog.contextvars import bound_contextvars

from api.computing.content import Content
from api.intake import line_protocol, remote_write
from api.intake.answering import lines_answer, push_answer
from api.intake.collecting import Lines
from api.intake.columns import Checked, checked_body
from api.intake.lines import read_lines
from api.schemas.decoding import decode
from api.schemas.requests import PushBody
from shared.domain.access import Caller
from shared.errors import MAX_FLAWS, BusyError, Code, Flaw, InputError, TsadError
from shared.store import streams
from shared.watching.ingesting import Taken
from shared.watching.pushing import Pushing
from shared.wording import counted

Result = TypeVar("Result")

_COLUMNS = msgspec.json.Decoder(PushBody)


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What became of the points of each series."""

    taken: list[Taken]
    busy: BusyError | None  # of a series whose points must be sent again


def for_request(
    request_id: str, take: Callable[..., Result], pushing: Pushing, content: Content, *arguments: Any
) -> Result:
    """Call one of the functions below, whose log lines then name the request."""
    with bound_contextvars(request_id=request_id):
        return take(pushing, content, *arguments)


def read_columns(pushing: Pushing, content: Content, series_id: str) -> Checked:
    """Read the columns of one series, and count the refused points; raise `InputError` if there are no columns."""
    checked = checked_body(series_id, decode(_COLUMNS, content.whole()), pushing.settings, time.time())
    for code, number in checked.refused.items():
        pushing.metrics.refused_points.labels(code).inc(number)
    return checked


def take_columns(pushing: Pushing, content: Content, series_id: str) -> bytes:
    """Take the points of one series, and return the encoded answer."""
    checked = read_columns(pushing, content, series_id)
    taken = None
    if len(checked.push.timestamps):
        (outcome,) = pushing.ingest([checked.push])
        if isinstance(outcome, TsadError):
            raise outcome
        taken = outcome
    return push_answer(pushing, checked, taken)


def take_lines(pushing: Pushing, content: Content, caller: Caller) -> bytes:
    """Take points of many series in JSON lines, and return the encoded answer."""
    lines = read_lines(content.whole(), caller, pushing.settings, time.time())
    return msgspec.json.encode(lines_answer(lines, _take(pushing, lines).taken))


def take_line_protocol(pushing: Pushing, content: Content, caller: Caller, bucket: str, precision: str) -> None:
    """Take points in line protocol; raise errors like `_take_all`."""
    claims, settings = pushing.claims, pushing.settings
    lines = line_protocol.receive(content.whole(), bucket, precision, caller, claims, settings, time.time())
    _take_all(pushing, lines, "line")


def take_samples(pushing: Pushing, content: Content, caller: Caller) -> None:
    """Take samples of Prometheus, and note which series ended; raise errors like `_take_all`."""
    pushing.selection.update(pushing.ingest.rulebook.current().sources)
    received = remote_write.receive(
        content.whole(), caller, pushing.selection, pushing.claims, pushing.settings, time.time()
    )
    for reason, number in received.ignored.items():
        pushing.metrics.ignored_samples.labels(reason).inc(number)
    try:
        _take_all(pushing, received.lines, "series")
    finally:
        if received.ended:
            with pushing.sessions.begin() as session:
                streams.end(session, received.ended)


def _take(pushing: Pushing, lines: Lines) -> Outcomes:
    """Store and judge all valid points, count those that were refused, and add errors of series to the lines.

    Raise `UnavailableError` if the database or the store is unavailable: sending everything again is safe.
    """
    pushes = [checked.push for checked in lines.series.values() if len(checked.push.timestamps)]
    taken, busy = [], None
    for push, outcome in zip(pushes, pushing.ingest(pushes), strict=True):
        if isinstance(outcome, Taken):
            taken.append(outcome)
        else:
            lines.refuse_series(push.series_id, outcome.code, outcome.detail, len(push.timestamps))
            busy = outcome if isinstance(outcome, BusyError) else busy
    for code, number in lines.refused_by_code.items():
        pushing.metrics.refused_points.labels(code).inc(number)
    return Outcomes(taken, busy)


def _take_all(pushing: Pushing, lines: Lines, part: str) -> None:
    """Store the points of a sender that only reads the status.

    Raise `BusyError` if it should send everything again, and `InputError` with status 400 if points were refused: then
    all others are stored. part: what the number of a line means, as in line.
    """
    if (busy := _take(pushing, lines).busy) is not None:
        raise busy
    if lines.refused:
        raise _refusal(lines, part)


def _refusal(lines: Lines, part: str) -> InputError:
    """Return the error that names refused points."""
    first = lines.flaws[0]
    stored = "all others are stored" if lines.series else "nothing was stored"
    sentence = f"{counted(lines.refused, 'point was', 'points were')} refused, {stored}. "
    where = f"{part.capitalize()} {first.line}{f' ({first.series_id})' if first.series_id else ''}"
    flaws = [Flaw((part, flaw.line), f"{flaw.code}: {flaw.detail}") for flaw in lines.flaws[:MAX_FLAWS]]
    return InputError(Code.POINTS_REFUSED, f"{sentence}{where}: {first.detail}", flaws=flaws)
