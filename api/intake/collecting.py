"""Points of many series, collected from the parts of one request, with the reason for each point that is refused."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from api.intake.columns import Checked, checked
from shared.domain.access import Caller
from shared.domain.series import check_series_id
from shared.domain.versions import series_not_found
from shared.errors import Code, InputError
from shared.settings import Settings

MAX_PROBLEMS = 100


@dataclass(frozen=True, slots=True)
class LineFlaw:
    """Why a line, or a point in it, was refused."""

    line: int
    series_id: str | None
    code: Code
    detail: str


@dataclass(slots=True)
class _Collected:
    """The points of one series in the order of their lines."""

    timestamps: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Lines:
    """The valid points of all lines by series, and what was refused. A line is a part of a request with a number."""

    series: dict[str, Checked] = field(default_factory=dict)  # filled by `check`
    refused: int = 0
    refused_by_code: dict[Code, int] = field(default_factory=lambda: defaultdict(int))
    flaws: list[LineFlaw] = field(default_factory=list)  # the first MAX_PROBLEMS
    points: int = 0  # collected
    _collected: dict[str, _Collected] = field(default_factory=lambda: defaultdict(_Collected))
    _known: dict[str, str] = field(default_factory=dict)

    def visible(self, series_id: str, caller: Caller) -> str:
        """Return the id without whitespace; raise `TsadError` if it is invalid, or the caller does not see it."""
        if series_id not in self._known:  # the check of an id takes longer than the rest
            trimmed = check_series_id(series_id)
            if not caller.sees(trimmed):
                raise series_not_found()
            self._known[series_id] = trimmed
        return self._known[series_id]

    def add(self, series_id: str, line: int, timestamps: Sequence[int], values: Sequence[float]) -> None:
        """Add points of a series, as read from a line. values: NaN for known gaps."""
        collected = self._collected[series_id]
        collected.timestamps += timestamps
        collected.values += values
        collected.lines += [line] * len(timestamps)
        self.points += len(timestamps)

    def refuse(self, line: int, series_id: str | None, code: Code, detail: str, points: int = 1) -> None:
        """Count refused points, and keep the reason."""
        self.refused += points
        self.refused_by_code[code] += points
        if len(self.flaws) < MAX_PROBLEMS:
            self.flaws.append(LineFlaw(line, series_id, code, detail))

    def refuse_series(self, series_id: str, code: Code, detail: str, points: int) -> None:
        """Count refused points of a series, and keep the reason with its first line."""
        self.refuse(min(self._collected[series_id].lines, default=0), series_id, code, detail, points)

    def refuse_flaws(self, found: Checked, lines: Sequence[int]) -> None:
        """Count the refused points of one series, and keep the first reasons. lines: of its points."""
        for code, count in found.refused.items():
            self.refused += count
            self.refused_by_code[code] += count
        for flaw in found.flaws:
            if len(self.flaws) < MAX_PROBLEMS:
                line = lines[min(flaw.place, len(lines) - 1)]
                what = "timestamp" if flaw.field == "timestamps" else "value"
                detail = f"The {what} {flaw.msg}."
                self.flaws.append(LineFlaw(line, found.push.series_id[:128], flaw.code, detail))

    def check_size(self, settings: Settings) -> None:
        """Raise `InputError` for more points than MAX_PUSH_POINTS."""
        if self.points > settings.max_push_points:
            sentence = f"The request has more than {settings.max_push_points:,} points (MAX_PUSH_POINTS)."
            raise InputError(Code.TOO_MANY_POINTS, f"{sentence} Nothing was stored: send them in several requests.")

    def check(self, settings: Settings, now: float) -> None:
        """Check all collected points against the clock; the valid ones are in `series` then."""
        for series_id, points in self._collected.items():
            if not points.timestamps:
                continue
            timestamps = np.array(points.timestamps, dtype=np.int64)
            found = checked(series_id, timestamps, np.array(points.values, dtype=np.float64), settings, now)
            self.refuse_flaws(found, points.lines)
            self.series[series_id] = found
