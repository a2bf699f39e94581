"""Lines of pushed points of many series: each is a JSON object with one point, or with columns."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from api.intake.columns import Checked, checked, checked_body
from api.schemas.decoding import decode
from api.schemas.requests import PointLine, PushBody
from api.schemas.times import timestamp_of
from shared.domain.access import Caller
from shared.domain.series import check_series_id
from shared.domain.versions import series_not_found
from shared.errors import Code, InputError, TsadError
from shared.settings import Settings

MAX_PROBLEMS = 100
_LINE = msgspec.json.Decoder(PointLine)


@dataclass(frozen=True, slots=True)
class LineFlaw:
    """Why a line, or a point in it, was refused."""

    line: int
    series_id: str | None
    code: Code
    detail: str


@dataclass(slots=True)
class Lines:
    """The valid points of all lines by series, and what was refused."""

    series: dict[str, Checked] = field(default_factory=dict)
    numbers: dict[str, list[int]] = field(default_factory=dict)  # of the lines whose points each series collects
    refused: int = 0
    refused_by_code: dict[Code, int] = field(default_factory=lambda: defaultdict(int))
    flaws: list[LineFlaw] = field(default_factory=list)  # the first MAX_PROBLEMS

    def refuse(self, line: int, series_id: str | None, code: Code, detail: str, points: int = 1) -> None:
        """Count refused points, and keep the reason."""
        self.refused += points
        self.refused_by_code[code] += points
        if len(self.flaws) < MAX_PROBLEMS:
            self.flaws.append(LineFlaw(line, series_id, code, detail))


@dataclass(slots=True)
class _Collected:
    """The points of one series in the order of their lines."""

    timestamps: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)


def read_lines(content: bytes, caller: Caller, settings: Settings, now: float) -> Lines:
    """Read all lines; the good ones are taken whatever the bad ones do.

    Raise `InputError` only if there are no lines, or more points than MAX_PUSH_POINTS.
    """
    lines = Lines()
    collected: dict[str, _Collected] = defaultdict(_Collected)
    known: set[str] = set()
    points = 0
    for number, line in enumerate(content.split(b"\n"), 1):
        if not line.strip():
            continue
        body = None
        try:
            body = decode(_LINE, line)
            series_id = body.series_id
            if series_id not in known:  # the check of an id takes longer than the rest
                series_id = check_series_id(series_id)
                if not caller.sees(series_id):
                    raise series_not_found()
                known.add(body.series_id)
            series_id = series_id.strip()
            points += _collect(collected[series_id], body, number, lines, settings, now)
        except TsadError as error:
            lines.refuse(number, None if body is None else body.series_id[:128], error.code, error.detail)
        if points > settings.max_push_points:
            sentence = f"The request has more than {settings.max_push_points:,} points (MAX_PUSH_POINTS)."
            raise InputError(Code.TOO_MANY_POINTS, f"{sentence} Nothing was stored: send them in several requests.")
    if not points and not lines.refused:
        raise InputError(Code.TOO_FEW_POINTS, "The body has no lines: send at least one point.")
    _check(lines, collected, settings, now)
    return lines


def _collect(collected: _Collected, body: PointLine, number: int, lines: Lines, settings: Settings, now: float) -> int:
    """Add the points of a line; return how many it has."""
    if body.timestamps or body.values:
        columns = checked_body(body.series_id, PushBody(body.timestamps, body.values), settings, now)
        _refuse(lines, columns, [number], body.series_id)
        collected.timestamps += columns.push.timestamps.tolist()
        collected.values += columns.push.values.tolist()
        collected.lines += [number] * len(columns.push.timestamps)
        return len(columns.push.timestamps) + columns.refusals + columns.duplicates
    if body.timestamp is msgspec.UNSET or body.value is msgspec.UNSET:
        raise InputError(Code.INVALID_REQUEST, "The line needs timestamp and value, or timestamps and values.")
    try:
        timestamp = timestamp_of(body.timestamp)
    except ValueError as error:
        raise InputError(Code.INVALID_TIMESTAMP, f"The timestamp {error}.") from None
    collected.timestamps.append(timestamp)
    collected.values.append(float("nan") if body.value is None else body.value)
    collected.lines.append(number)
    return 1


def _check(lines: Lines, collected: dict[str, _Collected], settings: Settings, now: float) -> None:
    for series_id, points in collected.items():
        if not points.timestamps:
            continue
        timestamps = np.array(points.timestamps, dtype=np.int64)
        found = checked(series_id, timestamps, np.array(points.values, dtype=np.float64), settings, now)
        _refuse(lines, found, points.lines, series_id)
        lines.series[series_id] = found
        lines.numbers[series_id] = points.lines


def _refuse(lines: Lines, found: Checked, numbers: Sequence[int], series_id: str) -> None:
    """Count the refused points of one series, and keep the first reasons. numbers: of the lines of its points."""
    for code, count in found.refused.items():
        lines.refused += count
        lines.refused_by_code[code] += count
    for flaw in found.flaws:
        if len(lines.flaws) < MAX_PROBLEMS:
            number = numbers[min(flaw.place, len(numbers) - 1)]
            what = "timestamp" if flaw.field == "timestamps" else "value"
            lines.flaws.append(LineFlaw(number, series_id[:128], flaw.code, f"The {what} {flaw.msg}."))
