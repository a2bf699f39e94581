"""Points from a file: which columns they are in is guessed, and told."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from api.cli.columns import Columns, columns_of, name_of
from api.cli.times import Unit, is_number, is_time, seconds
from shared.domain.series import Timestamps, Values
from shared.errors import Code, InputError

TIME_NAMES = ("timestamp", "timestamps", "time", "datetime", "date", "ts", "ds", "t", "epoch", "unix", "when")
VALUE_NAMES = ("value", "values", "val", "y", "v", "data", "reading", "measurement", "mean", "avg")
LABEL_NAMES = ("label", "is_anomaly", "anomaly", "class")  # what people noted, not what was measured
GAPS = ("", "nan", "null", "none", "na", "n/a")


class Doubled(StrEnum):
    """What to do with several values for one second."""

    REFUSE = "refuse"
    FIRST = "first"
    LAST = "last"
    MEAN = "mean"


@dataclass(frozen=True)
class Choices:
    """What the reader need not guess."""

    time_column: str | None = None
    value_column: str | None = None
    unit: Unit | None = None
    doubled: Doubled = Doubled.REFUSE


@dataclass(frozen=True)
class Points:
    """Points in order, and what reading them came upon."""

    timestamps: Timestamps
    values: Values
    told: list[str]

    def body(self) -> dict[str, Any]:
        """The columns as requests have them."""
        return {"timestamps": self.timestamps.tolist(), "values": self.values.tolist()}


NOTHING_CHOSEN = Choices()

Places = NDArray[np.int64]


def read(source: str, choices: Choices = NOTHING_CHOSEN) -> Points:
    """Read points from a path, or from standard input for `-`; `InputError` says what is wrong in it."""
    columns = columns_of(source)
    lengths = {len(cells) for cells in columns.values()}
    if not columns or lengths == {0}:
        raise InputError(Code.INVALID_FILE, f"{name_of(source)} holds no points.")
    if len(lengths) > 1:
        raise InputError(Code.INVALID_FILE, f"The columns of {name_of(source)} differ in length.")
    time_name = _time_column(columns, choices)
    value_name = _value_column(columns, choices, time_name)
    values = _numbers(columns[value_name], value_name)
    if time_name is None:
        stamps = np.arange(len(values), dtype=np.int64)
        told = [f"values from {value_name!r}; no column of times, so the rows are numbered from 0"]
    else:
        stamps, kind = seconds(columns[time_name], choices.unit)
        told = [f"times from {time_name!r} ({kind}), values from {value_name!r}"]
    return _in_order(stamps, values, choices.doubled, told)


def _time_column(columns: Columns, choices: Choices) -> str | None:
    if choices.time_column:
        return _named(columns, choices.time_column)
    others = [name for name in columns if name != choices.value_column and name.lower() not in LABEL_NAMES]
    if named := [name for name in others if name.lower() in TIME_NAMES]:
        return named[0]
    full = {name: next(cell for cell in columns[name] if cell) for name in others if any(columns[name])}
    dates = [name for name, cell in full.items() if is_time(cell) and not is_number(cell)]
    numbers = [name for name, cell in full.items() if is_number(cell)]
    if dates:
        return dates[0]
    enough = 1 if choices.value_column else 2
    has_value_name = any(name.lower() in VALUE_NAMES for name in numbers[:1])
    return numbers[0] if len(numbers) >= enough and not has_value_name else None


def _value_column(columns: Columns, choices: Choices, time_name: str | None) -> str:
    if choices.value_column:
        return _named(columns, choices.value_column)
    others = [name for name in columns if name != time_name and name.lower() not in LABEL_NAMES]
    ranked = sorted(others, key=lambda name: name.lower() not in VALUE_NAMES)
    for name in ranked:
        if any(is_number(cell) for cell in columns[name]):
            return name
    raise InputError(Code.INVALID_FILE, f"No column holds numbers. There are: {', '.join(map(repr, columns))}.")


def _named(columns: Columns, name: str) -> str:
    if name not in columns:
        raise InputError(Code.INVALID_FILE, f"No column {name!r}. There are: {', '.join(map(repr, columns))}.")
    return name


def _numbers(cells: Sequence[str], name: str) -> Values:
    """The values (n,); NaN where one is missing."""
    numbers = np.empty(len(cells))
    for place, cell in enumerate(cells):
        if cell.lower() in GAPS:
            numbers[place] = np.nan
        elif is_number(cell):
            numbers[place] = float(cell)
        else:
            raise InputError(Code.INVALID_FILE, f"{cell[:40]!r}, value number {place + 1} of {name!r}, is no number.")
    return numbers


def _in_order(stamps: Timestamps, values: Values, doubled: Doubled, told: list[str]) -> Points:
    """Sorted, without gaps, one value a second."""
    there = ~np.isnan(values)
    if not there.all():
        told.append(f"{np.count_nonzero(~there):,} rows without a value are left out")
        stamps, values = stamps[there], values[there]
    if (np.diff(stamps) < 0).any():
        told.append("the rows were not in the order of time and are sorted")
        order = np.argsort(stamps, kind="stable")
        stamps, values = stamps[order], values[order]
    starts = np.flatnonzero(np.concatenate(([True], np.diff(stamps) > 0))) if len(stamps) else np.empty(0, dtype=int)
    surplus = len(stamps) - len(starts)
    if surplus:
        ends = np.append(starts[1:], len(stamps))
        values = _one_each(stamps, values, starts, ends, doubled)
        stamps = stamps[starts]
        told.append(f"{surplus:,} rows with the second of another are {_DONE[doubled]}")
    return Points(stamps, values, told)


_DONE = {
    Doubled.REFUSE: "the same as that one, and left out",
    Doubled.FIRST: "left out",
    Doubled.LAST: "taken instead of it",
    Doubled.MEAN: "averaged with it",
}


def _one_each(stamps: Timestamps, values: Values, starts: Places, ends: Places, doubled: Doubled) -> Values:
    if doubled is Doubled.MEAN:
        means: Values = np.add.reduceat(values, starts) / (ends - starts)
        return means
    if doubled is Doubled.LAST:
        return values[ends - 1]
    first = values[starts]
    differs = np.flatnonzero(np.repeat(first, ends - starts) != values)
    if doubled is Doubled.REFUSE and len(differs):
        raise InputError(
            Code.INVALID_FILE,
            f"There are several values for the second {stamps[differs[0]]}. Points are told apart by whole seconds: "
            "choose with --doubled first, last or mean.",
        )
    return first
