"""Which columns of a table are time, value and series: the only possible choice, or an error with the candidates."""

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from api.files import names
from api.files.choices import Choices
from api.files.dates import Times, looks_like_dates
from api.files.numbers import numbers_of, parse
from api.files.table import Column, Table, column_named, invalid, listed, quoted
from api.files.time_columns import find_times, no_time
from api.files.value_columns import find_value, identifies, numbers_rows, reading_of
from shared.domain.series import Values


@dataclass
class Roles:
    """The columns that hold the points, and their parsed cells."""

    times: Times | None  # None if rows are numbered
    values: Values
    series: Column | None
    notes: list[str] = field(default_factory=list)


def assign(table: Table, choices: Choices) -> Roles:
    """Find and parse the columns; raise `InputError` where there is no choice or more than one."""
    _refuse_doubled_names(table, choices)
    columns = [column for column in table.columns if not column.is_empty]
    series = column_named(table, choices.series_column, "--series-column") if choices.series_column else None
    if series is not None:
        columns = [column for column in columns if column is not series]
    value = column_named(table, choices.value_column, "--value") if choices.value_column else None
    times, used = find_times(table, [column for column in columns if column is not value], choices)
    rest = [column for column in columns if column not in used]
    if value is None:
        value, ignored = find_value(table, rest, has_times=times is not None)
    else:
        ignored = [column for column in rest if column is not value and numbers_of(column).readings]
    reading = reading_of(table, value, choices)
    if times is None and (
        others := [column for column in rest if column is not value and not names.is_label(column.name)]
    ):
        raise no_time(table, value, others)
    notes = [_described(used, times, value), *reading.notes()]
    if ignored:
        notes.append(f"ignored {listed(ignored)}")
    values = parse(table, value, reading)
    if series is None and not (choices.time_column and choices.value_column):
        _refuse_several_series([column for column in rest if column is not value], times)
    return Roles(times, values, series, notes)


def _refuse_several_series(columns: Iterable[Column], times: Times | None) -> None:
    """Raise `InputError` if another column tells several series apart."""
    for column in columns:
        found = numbers_of(column)
        is_text = found.good_share < 0.5 or identifies(column)
        if not is_text or names.is_label(column.name) or numbers_rows(column) or looks_like_dates(column):
            continue
        distinct = list(dict.fromkeys(cell for cell in column.cells if cell))
        if len(distinct) < 2:
            continue
        repeats = len(distinct) <= len(column.cells) / 2
        may_tell_apart = not names.is_remark(column.name) and (names.is_series(column.name) or repeats)
        if may_tell_apart or _has_doubled(times):
            examples = ", ".join(map(quoted, distinct[:3])) + (", …" if len(distinct) > 3 else "")
            name = shlex.quote(column.name or str(column.number))
            raise invalid(
                f"Column {column} has {len(distinct):,} different values ({examples}), so the file may hold several "
                f"series. Fit each with --series-column {name}, or name both --time and "
                "--value to ignore this column."
            )


def _has_doubled(times: Times | None) -> bool:
    return times is not None and len(np.unique(times.seconds)) < len(times.seconds)


def _refuse_doubled_names(table: Table, choices: Choices) -> None:
    lowered = [column.name.lower() for column in table.columns if column.name and not column.is_empty]
    doubled = next((name for name in lowered if lowered.count(name) > 1), None)
    chosen = [text for text in (choices.time_column, choices.value_column) if text and text.isdecimal()]
    if doubled is not None and len(chosen) < 2:
        numbers = [str(column.number) for column in table.columns if column.name.lower() == doubled]
        raise invalid(
            f"Columns {' and '.join(numbers)} have the same name {doubled!r}. Choose columns by their numbers with "
            "--time and --value."
        )


def _described(used: Sequence[Column], times: Times | None, value: Column) -> str:
    if times is None:
        return f"values from {value}; no timestamp column, so rows are numbered from 0"
    return f"timestamps from {' and '.join(map(str, used))} ({times.format}), values from {value}"
