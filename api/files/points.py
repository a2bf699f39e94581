"""Points sorted by time, with one value per second."""

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from api.files.choices import Doubled
from api.files.dates import ABSENT
from api.files.table import invalid
from shared.domain.series import DAY_S, Timestamps, Values
from shared.wording import counted

_Y1990 = 631_152_000


@dataclass(frozen=True)
class Points:
    """Points sorted by time, and notes about guesses and corrections."""

    timestamps: Timestamps
    values: Values
    notes: list[str] = field(default_factory=list)

    def body(self) -> dict[str, Any]:
        """Return the points as fields of a request."""
        return {"timestamps": self.timestamps.tolist(), "values": self.values.tolist()}


Indices = NDArray[np.int64]


def clean(
    timestamps: Timestamps, values: Values, rows: Indices, doubled: Doubled, *, is_naive: bool, notes: list[str]
) -> Points:
    """Skip missing values, sort by time and keep one value per second; add a note for each correction.

    `timestamps`, `values` and `rows` (numbers of the rows in the file) have shape (n,). Raises `InputError` if a value
    has no time, or if a second has different values and `doubled` is REFUSE.
    """
    notes = list(notes)
    present = ~np.isnan(values)
    is_absent = timestamps == ABSENT
    if len(lost := np.flatnonzero(is_absent & present)):
        raise invalid(f"Row {rows[lost[0]]:,} has a value, but no time.")
    if empty := int(np.count_nonzero(is_absent)):
        notes.append(f"skipped {counted(empty, 'row')} without a time and a value")
    if gaps := int(np.count_nonzero(~present & ~is_absent)):
        notes.append(f"skipped {counted(gaps, 'row')} without a value")
    timestamps, values, rows = timestamps[present], values[present], rows[present]
    if not len(timestamps):
        raise invalid("The file contains no points: no row has a value.")
    if (np.diff(timestamps) < 0).any():
        is_reversed = bool((np.diff(timestamps) <= 0).all())
        notes.append("sorted the rows by time" + (": the newest was first" if is_reversed else ""))
        order = np.argsort(timestamps, kind="stable")
        timestamps, values, rows = timestamps[order], values[order], rows[order]
    starts = np.flatnonzero(np.concatenate(([True], np.diff(timestamps) > 0)))
    duplicates = len(timestamps) - len(starts)
    if duplicates:
        ends = np.append(starts[1:], len(timestamps))
        values = _value_per_second(timestamps, values, rows, starts, ends, doubled, is_naive=is_naive)
        timestamps = timestamps[starts]
        notes.append(f"{counted(duplicates, 'row')} with a duplicate timestamp: {_TREATMENT[doubled]}")
    return Points(timestamps, values, notes + _unlikely(timestamps))


_TREATMENT = {
    Doubled.REFUSE: "skipped, because the values are the same",
    Doubled.FIRST: "kept the first value",
    Doubled.LAST: "kept the last value",
    Doubled.MEAN: "averaged the values",
}


def _value_per_second(
    timestamps: Timestamps,
    values: Values,
    rows: Indices,
    starts: Indices,
    ends: Indices,
    doubled: Doubled,
    *,
    is_naive: bool,
) -> Values:
    """Reduce rows [start, end) of each second to one value; with REFUSE, raise `InputError` if values differ."""
    if doubled is Doubled.MEAN:
        means: Values = np.add.reduceat(values, starts) / (ends - starts)
        return means
    if doubled is Doubled.LAST:
        return values[ends - 1]
    first = values[starts]
    differs = np.flatnonzero(np.repeat(first, ends - starts) != values)
    if doubled is Doubled.REFUSE and len(differs):
        index = differs[0]
        moment = moment_of(int(timestamps[index]))
        advice = "Timestamps are whole seconds: choose a value with --doubled first, last or mean."
        if is_naive and _is_clock_change(timestamps[differs]):
            advice = (
                "In this night many clocks go back and repeat an hour: name the time zone of the file, such as "
                "--timezone Europe/Berlin."
            )
        raise invalid(
            f"Duplicate timestamp {moment} (rows {rows[index - 1]:,} and {rows[index]:,}) with different values. "
            f"{advice}"
        )
    return first


def _is_clock_change(doubled: Timestamps) -> bool:
    """Check whether all doubled times are before 4 o'clock on Sundays in spring or autumn."""
    days, seconds = np.divmod(doubled, DAY_S)
    months = days.astype("datetime64[D]").astype("datetime64[M]").astype(int) % 12 + 1
    is_sunday = (days + 4) % 7 == 0  # 1970-01-01 was a Thursday
    return bool((is_sunday & (seconds < 14_400) & np.isin(months, (3, 4, 9, 10, 11))).all())


def _unlikely(timestamps: Timestamps) -> list[str]:
    """Report times before 1990 and in the future."""
    early = int(np.count_nonzero((timestamps < _Y1990) & (timestamps >= len(timestamps))))
    late = int(np.count_nonzero(timestamps > time.time() + DAY_S))
    notes = [f"{counted(early, 'timestamp')} before 1990, from {moment_of(int(timestamps[0]))}"] if early else []
    return notes + (
        [f"{counted(late, 'timestamp')} in the future, up to {moment_of(int(timestamps[-1]))}"] if late else []
    )


def moment_of(seconds: int) -> str:
    """Return seconds since 1970 as a date for messages."""
    return str(np.datetime64(seconds, "s")).replace("T", " ") + "Z"
