"""Read points from a file, guessing the columns and the time unit unless the user specifies them."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from api.cli.columns import Columns, name_of, read_columns
from api.cli.times import Unit, is_number, is_time, parse
from shared.domain.series import Timestamps, Values
from shared.errors import Code, InputError
from shared.wording import counted

TIME_NAMES = ("timestamp", "timestamps", "time", "datetime", "date", "ts", "ds", "t", "epoch", "unix", "when")
VALUE_NAMES = ("value", "values", "val", "y", "v", "data", "reading", "measurement", "mean", "avg")
LABEL_NAMES = ("label", "is_anomaly", "anomaly", "class")  # human labels, not measurements
MISSING = ("", "nan", "null", "none", "na", "n/a")


class Doubled(StrEnum):
    """What to do with different values for the same second."""

    REFUSE = "refuse"
    FIRST = "first"
    LAST = "last"
    MEAN = "mean"


@dataclass(frozen=True)
class Choices:
    """Columns and unit to use instead of guesses, and the treatment of duplicate seconds."""

    time_column: str | None = None
    value_column: str | None = None
    unit: Unit | None = None
    doubled: Doubled = Doubled.REFUSE


@dataclass(frozen=True)
class Points:
    """Points sorted by time, and notes about guesses and corrections."""

    timestamps: Timestamps
    values: Values
    notes: list[str]

    def body(self) -> dict[str, Any]:
        """Return the points as fields of a request."""
        return {"timestamps": self.timestamps.tolist(), "values": self.values.tolist()}


ALL_GUESSED = Choices()

Indices = NDArray[np.int64]


def read(source: str, choices: Choices = ALL_GUESSED) -> Points:
    """Read points from a file, or from standard input for `-`; raise `InputError` if they are invalid."""
    columns = read_columns(source)
    lengths = {len(cells) for cells in columns.values()}
    if not columns or lengths == {0}:
        raise InputError(Code.INVALID_FILE, f"{name_of(source)} contains no points.")
    if len(lengths) > 1:
        raise InputError(Code.INVALID_FILE, f"The columns of {name_of(source)} differ in length.")
    time_name = _time_column(columns, choices)
    value_name = _value_column(columns, choices, time_name)
    values = _numbers(columns[value_name], value_name)
    if time_name is None:
        timestamps = np.arange(len(values), dtype=np.int64)
        notes = [f"values from {value_name!r}; no timestamp column, so rows are numbered from 0"]
    else:
        times = parse(columns[time_name], choices.unit)
        timestamps = times.seconds
        notes = [f"timestamps from {time_name!r} ({times.format}), values from {value_name!r}"]
    return _clean(timestamps, values, choices.doubled, notes)


def _time_column(columns: Columns, choices: Choices) -> str | None:
    if choices.time_column:
        return _named(columns, choices.time_column)
    candidates = [name for name in columns if name != choices.value_column and name.lower() not in LABEL_NAMES]
    if known := [name for name in candidates if name.lower() in TIME_NAMES]:
        return known[0]
    first_cells = {name: next(cell for cell in columns[name] if cell) for name in candidates if any(columns[name])}
    dates = [name for name, cell in first_cells.items() if is_time(cell) and not is_number(cell)]
    numbers = [name for name, cell in first_cells.items() if is_number(cell)]
    if dates:
        return dates[0]
    numbers_needed = 1 if choices.value_column else 2
    has_value_name = any(name.lower() in VALUE_NAMES for name in numbers[:1])
    return numbers[0] if len(numbers) >= numbers_needed and not has_value_name else None


def _value_column(columns: Columns, choices: Choices, time_name: str | None) -> str:
    if choices.value_column:
        return _named(columns, choices.value_column)
    candidates = [name for name in columns if name != time_name and name.lower() not in LABEL_NAMES]
    ranked = sorted(candidates, key=lambda name: name.lower() not in VALUE_NAMES)
    for name in ranked:
        if any(is_number(cell) for cell in columns[name]):
            return name
    raise InputError(Code.INVALID_FILE, f"No column contains numbers. Columns: {', '.join(map(repr, columns))}.")


def _named(columns: Columns, name: str) -> str:
    if name not in columns:
        raise InputError(Code.INVALID_FILE, f"No column {name!r}. Columns: {', '.join(map(repr, columns))}.")
    return name


def _numbers(cells: Sequence[str], name: str) -> Values:
    """Parse values (n,); NaN where a cell is in `MISSING`."""
    numbers = np.empty(len(cells))
    for index, cell in enumerate(cells):
        if cell.lower() in MISSING:
            numbers[index] = np.nan
        elif is_number(cell):
            numbers[index] = float(cell)
        else:
            place = f"column {name!r}, data row {index + 1}"
            raise InputError(Code.INVALID_FILE, f"{cell[:40]!r} ({place}) is not a number.")
    return numbers


def _clean(timestamps: Timestamps, values: Values, doubled: Doubled, notes: list[str]) -> Points:
    """Skip missing values, sort by time and keep one value per second; add a note for each correction."""
    present = ~np.isnan(values)
    if not present.all():
        notes.append(f"skipped {counted(int(np.count_nonzero(~present)), 'row')} without a value")
        timestamps, values = timestamps[present], values[present]
    if (np.diff(timestamps) < 0).any():
        notes.append("sorted the rows by time")
        order = np.argsort(timestamps, kind="stable")
        timestamps, values = timestamps[order], values[order]
    is_new = np.diff(timestamps) > 0
    starts = np.flatnonzero(np.concatenate(([True], is_new))) if len(timestamps) else np.empty(0, dtype=int)
    duplicates = len(timestamps) - len(starts)
    if duplicates:
        ends = np.append(starts[1:], len(timestamps))
        values = _value_per_second(timestamps, values, starts, ends, doubled)
        timestamps = timestamps[starts]
        notes.append(f"{counted(duplicates, 'row')} with a duplicate timestamp: {_TREATMENT[doubled]}")
    return Points(timestamps, values, notes)


_TREATMENT = {
    Doubled.REFUSE: "skipped, because the values are the same",
    Doubled.FIRST: "kept the first value",
    Doubled.LAST: "kept the last value",
    Doubled.MEAN: "averaged the values",
}


def _value_per_second(
    timestamps: Timestamps, values: Values, starts: Indices, ends: Indices, doubled: Doubled
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
        second = int(timestamps[differs[0]])
        raise InputError(
            Code.INVALID_FILE,
            f"Duplicate timestamp {second} ({np.datetime64(second, 's')}Z) with different values. "
            "Timestamps are whole seconds: choose a value with --doubled first, last or mean.",
        )
    return first
