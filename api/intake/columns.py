"""Columns of pushed points: timestamps and values, checked point by point."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
import numpy as np

from api.schemas.decoding import decode
from api.schemas.requests import PushBody
from api.schemas.times import RULE, timestamp_of
from shared.domain.series import DAY_S, LAST_TIMESTAMP, Flags, Timestamps, Values
from shared.domain.watching.sentences import time_of
from shared.errors import MAX_FLAWS, Code, Flaw, InputError
from shared.settings import Settings
from shared.watching.planning import Push
from shared.wording import counted

RETENTION_MARGIN_S = 3_600  # a point that retention deletes soon is refused, or a repetition would store it again
_INTEGERS = msgspec.json.Decoder(list[int])
_NULLABLE = msgspec.json.Decoder(list[float | None])
_RAW = msgspec.json.Decoder(list[msgspec.Raw])
_ANY = msgspec.json.Decoder(int | str)
_NUMBER = msgspec.json.Decoder(float | None)


class PointFlaw(NamedTuple):
    """Why one point is refused."""

    place: int  # in the columns
    field: str  # timestamps, or values
    code: Code
    msg: str


@dataclass(slots=True)
class Checked:
    """The valid points of one series, and why the others were refused."""

    push: Push
    refused: dict[Code, int] = field(default_factory=dict)  # number by reason
    flaws: list[PointFlaw] = field(default_factory=list)  # the first of each reason
    duplicates: int = 0  # points whose timestamp a later point of the request has

    @property
    def refusals(self) -> int:
        """The number of refused points."""
        return sum(self.refused.values())


def checked_body(series_id: str, body: PushBody, settings: Settings, now: float) -> Checked:
    """Check the columns of a body; raise `InputError` if they are not columns of equal length."""
    timestamps, values, flaws = _columns(body, settings.max_push_points)
    return checked(series_id, timestamps, values, settings, now, flaws)


def read_all(series_id: str, body: PushBody, max_points: int) -> Push:
    """Read columns of at most `max_points` points of any time; raise an `InputError` that names the invalid points."""
    timestamps, values, flaws = _columns(body, max_points)
    if flaws:
        sentence = f"{counted(len(flaws), 'point is', 'points are')} invalid: {flaws[0].field}[{flaws[0].place}] "
        named = [Flaw((flaw.field, flaw.place), flaw.msg) for flaw in flaws[:MAX_FLAWS]]
        raise InputError(flaws[0].code, f"{sentence}{flaws[0].msg}.", flaws=named)
    return _sorted(series_id, timestamps, values)[0]


def checked(
    series_id: str,
    timestamps: Timestamps,
    values: Values,
    settings: Settings,
    now: float,
    flaws: Sequence[PointFlaw] = (),
) -> Checked:
    """Check points against the clock, sort them, and keep the last of each timestamp.

    timestamps, values: (n,), NaN for known gaps. flaws: of points that could not be read.
    """
    latest = int(now + settings.future_slack_s)
    earliest = int(now - settings.keep_points_days * DAY_S + RETENTION_MARGIN_S)
    valid = np.ones(len(timestamps), dtype=np.bool_)
    valid[[flaw.place for flaw in flaws]] = False
    found = Checked(Push(series_id, timestamps, values))
    for flaw in flaws:
        found.refused[flaw.code] = found.refused.get(flaw.code, 0) + 1
    found.flaws += flaws[:MAX_FLAWS]
    too_new = f"must not be later than the clock by more than FUTURE_SLACK_S ({settings.future_slack_s:g} s)"
    too_old = f"must be later than {time_of(max(earliest, 0))}: older points are deleted (KEEP_POINTS_DAYS)"
    for code, flags, message in (
        (Code.TOO_NEW, (timestamps > latest) & valid, too_new),
        (Code.TOO_OLD, (timestamps < earliest) & valid, too_old),
    ):
        _refuse(found, code, flags, message)
        valid &= ~flags
    found.push, found.duplicates = _sorted(series_id, timestamps[valid], values[valid])
    return found


def _refuse(found: Checked, code: Code, flags: Flags, message: str) -> None:
    indices = np.flatnonzero(flags)
    if len(indices):
        found.refused[code] = len(indices)
        found.flaws += [PointFlaw(int(index), "timestamps", code, message) for index in indices[:MAX_FLAWS]]


def _sorted(series_id: str, timestamps: Timestamps, values: Values) -> tuple[Push, int]:
    """Return the points in order with the last value of each timestamp, and how many others there were."""
    steps = np.diff(timestamps)
    if (steps > 0).all():
        return Push(series_id, timestamps, values), 0
    order = np.argsort(timestamps, kind="stable")
    timestamps, values = timestamps[order], values[order]
    last = np.concatenate((np.diff(timestamps) > 0, [True]))
    return Push(series_id, timestamps[last], values[last]), int((~last).sum())


def _columns(body: PushBody, max_points: int) -> tuple[Timestamps, Values, list[PointFlaw]]:
    try:
        times, numbers = _INTEGERS.decode(body.timestamps), _NULLABLE.decode(body.values)
        _check_lengths(times, numbers, max_points)
        timestamps = np.array(times, dtype=np.int64)
        if ((timestamps < 0) | (timestamps > LAST_TIMESTAMP)).any():
            raise OverflowError  # noqa: TRY301 - read point by point below
        return timestamps, np.array(numbers, dtype=np.float64), []
    except (msgspec.MsgspecError, UnicodeDecodeError, OverflowError, RecursionError):
        return _one_by_one(body, max_points)


def _one_by_one(body: PushBody, max_points: int) -> tuple[Timestamps, Values, list[PointFlaw]]:
    """Read columns in which some item is not a plain number: the others are valid."""
    times, numbers = decode(_RAW, body.timestamps, "timestamps"), decode(_RAW, body.values, "values")
    _check_lengths(times, numbers, max_points)
    timestamps, values = np.zeros(len(times), dtype=np.int64), np.zeros(len(times))
    flaws = []
    for index, (written, number) in enumerate(zip(times, numbers, strict=True)):
        try:
            timestamps[index] = timestamp_of(_ANY.decode(written))
        except (msgspec.MsgspecError, UnicodeDecodeError):
            flaws.append(PointFlaw(index, "timestamps", Code.INVALID_TIMESTAMP, RULE))
            continue
        except ValueError as error:
            flaws.append(PointFlaw(index, "timestamps", Code.INVALID_TIMESTAMP, str(error)))
            continue
        try:
            value = _NUMBER.decode(number)
            values[index] = np.nan if value is None else value
        except (msgspec.MsgspecError, UnicodeDecodeError):
            flaws.append(PointFlaw(index, "values", Code.NOT_FINITE, "must be a finite number, or null for a gap"))
    return timestamps, values, flaws


def _check_lengths(times: Sequence[Any], numbers: Sequence[Any], max_points: int) -> None:
    if len(times) != len(numbers):
        sentence = f"{counted(len(times), 'timestamp')}, but {counted(len(numbers), 'value')}."
        raise InputError(Code.LENGTHS_DIFFER, f"{sentence} Send one value per timestamp.")
    if not times:
        raise InputError(Code.TOO_FEW_POINTS, "The request has no points: send at least one.")
    if len(times) > max_points:
        sentence = f"{len(times):,} points exceed the limit of {max_points:,}."
        raise InputError(Code.TOO_MANY_POINTS, f"{sentence} Send fewer, or several requests.")
