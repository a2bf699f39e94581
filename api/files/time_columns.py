"""Which column of a table is the time: the only possible one, or an error with the candidates."""

from collections.abc import Iterable, Sequence

import numpy as np

from api.files import names
from api.files.choices import Choices
from api.files.date_problems import unreadable
from api.files.dates import (
    Times,
    has_clock,
    looks_like_clocks,
    looks_like_dates,
    parse_dates,
    parse_format,
    parse_pair,
)
from api.files.epochs import EXCEL, is_increasing, is_numeric, looks_like_epochs, parse_epochs, parse_excel
from api.files.layouts import layout_of
from api.files.numbers import numbers_of
from api.files.table import Column, Table, column_named, invalid, listed, quoted
from shared.errors import InputError


def find_times(table: Table, columns: Sequence[Column], choices: Choices) -> tuple[Times | None, list[Column]]:
    """Return the times and the columns that they are in; None if there is no column of times."""
    if choices.time_column:
        column = column_named(table, choices.time_column, "--time")
        if column.is_empty:
            raise invalid(f"Column {column} has no times: all its cells are empty.")
        clocks = [other for other in columns if other is not column and looks_like_clocks(other)]
        if len(clocks) == 1 and looks_like_dates(column) and not has_clock(column) and not choices.time_format:
            return parse_pair(table, column, clocks[0], choices), [column, clocks[0]]
        return parse_times(table, column, choices), [column]
    candidates = [column for column in columns if not names.is_label(column.name)]
    if pair := _pair(candidates):
        _refuse_halves_of_days(columns)
        return parse_pair(table, *pair, choices), list(pair)
    dates = [column for column in candidates if looks_like_dates(column) and not column.is_constant]
    dates = dates or [column for column in candidates if looks_like_dates(column)]
    named = [column for column in candidates if names.is_time(column.name) and column not in dates]
    numeric = [column for column in candidates if column not in dates and looks_like_epochs(column)]
    if not dates:
        named = named or numeric
    if dates or named:
        return _chosen(table, dates, named, numeric, choices)
    if choices.time_format or choices.unit:
        raise invalid(f"Which column has the times? Name it with --time. Columns: {table.names()}.")
    return None, []


def _refuse_halves_of_days(columns: Iterable[Column]) -> None:
    for column in columns:
        if {cell.lower() for cell in column.cells} <= {"am", "pm", "a.m.", "p.m."}:
            raise invalid(f"Column {column} has AM and PM apart from the time of day. Write both into one cell.")


def _pair(candidates: Iterable[Column]) -> tuple[Column, Column] | None:
    """Return the only column of dates without a time of day, with the only column of times of day."""
    dates = [column for column in candidates if looks_like_dates(column)]
    clocks = [column for column in candidates if looks_like_clocks(column)]
    if len(dates) == len(clocks) == 1 and not has_clock(dates[0]):
        return dates[0], clocks[0]
    return None


def _chosen(
    table: Table, dates: list[Column], named: list[Column], numeric: list[Column], choices: Choices
) -> tuple[Times, list[Column]]:
    """Parse all candidates; raise `InputError` unless they agree in every row."""
    if dates:
        rivals = [*dates, *(column for column in named if column in numeric or not is_numeric(column))]
        rivals += [column for column in numeric if column not in rivals and names.hints_at_time(column.name)]
    else:
        rivals = named
    rivals += _clocks_beside(table, rivals, numeric)
    if len(rivals) > 1 and (influx := [column for column in rivals if column.name == "_time"]):
        rivals = influx
    parsed = [parse_times(table, column, choices) for column in rivals]
    for other in parsed[1:]:
        if not np.array_equal(parsed[0].seconds, other.seconds):
            raise invalid(f"Several columns can be the time: {listed(rivals)}. Choose one with --time.")
    return parsed[0], rivals


def _clocks_beside(table: Table, rivals: list[Column], numeric: list[Column]) -> list[Column]:
    """Return other columns of increasing Unix times, if there is still a column of numbers for the value."""
    others = [
        column
        for column in numeric
        if column not in rivals and not names.is_value(column.name) and is_increasing(column)
    ]
    rest = [column for column in table.columns if column not in (*rivals, *others) and numbers_of(column).readings]
    return others if rest else []


def parse_times(table: Table, column: Column, choices: Choices) -> Times:
    """Parse a column of times as the user states, or else as numbers or dates; raise `InputError`."""
    if choices.time_format == EXCEL:
        return parse_excel(table, column)
    if choices.time_format:
        return parse_format(table, column, choices)
    if is_numeric(column):
        return parse_epochs(table, column, choices)
    if choices.unit is not None:
        bad = next(index for shape, index in column.first_of.items() if not _is_plain_number(shape))
        raise invalid(
            f"{quoted(column.cells[bad])} ({table.place(column, bad)}) is not a number, but --unit is {choices.unit}."
        )
    return parse_dates(table, column, choices)


def _is_plain_number(shape: str) -> bool:
    return is_numeric(Column("", [shape], 1))


def no_time(table: Table, value: Column, others: list[Column]) -> InputError:
    """Return the error for a file without times whose columns are not only values."""
    for column in others:
        firsts = {shape: index for shape, index in column.first_of.items() if shape not in column.missing}
        bad = next((index for shape, index in firsts.items() if layout_of(shape) is None), next(iter(firsts.values())))
        has_digits = sum("0" in shape for shape in firsts) >= len(firsts) / 2
        if looks_like_clocks(column) or (has_digits and not is_numeric(column)):
            return unreadable(table, column, bad)
    return invalid(
        f"No column has times: {listed([value, *others])}. {table.hint}Name the time column with --time, or leave "
        "only the values to have the rows numbered."
    )
