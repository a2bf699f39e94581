"""Single points: a line of standard input, or a time on the command line."""

import re
from dataclasses import dataclass, replace

from api.files import names
from api.files.choices import NOTHING_STATED, Choices
from api.files.delimited import parse_delimited
from api.files.delimiters import delimiter_of
from api.files.epochs import looks_like_epochs
from api.files.forms import parse_json
from api.files.preparing import prepare
from api.files.roles import assign
from api.files.table import Column, Table, invalid
from api.files.time_columns import parse_times
from shared.errors import InputError

_NAME = "The line"
_ADVICE = "write TIME,VALUE or VALUE."


@dataclass(frozen=True)
class Point:
    """A point; `timestamp` is None if the line has no time, and `value` is None if it is missing."""

    timestamp: int | None
    value: float | None


def parse_point(line: str, choices: Choices = NOTHING_STATED) -> Point | None:
    """Parse a line as a point; None for an empty line, a comment or a header. Raise `InputError` if it is invalid."""
    text = line.strip().lstrip("\ufeff")
    if not text or text.startswith(("#", "//")) or not any(character.isdecimal() for character in text):
        return None
    try:
        table = parse_json(text, _NAME) if text[:1] in "{[" else _delimited(text, choices)
        if len(table) != 1:
            raise invalid("It has more than one point.")
        if any(column.is_empty and (column.number == 2 or names.is_value(column.name)) for column in table.columns):
            return _without_value(table, choices)
        roles = assign(table, choices if text[:1] in "{[" else _by_position(table, choices))
    except InputError as error:
        detail = re.sub(r" \(column [^)]*\)", "", error.detail)
        is_about_time = "is not a time" in detail
        raise invalid(detail if is_about_time else f"{text[:60]!r} is not a valid point: {_ADVICE} {detail}") from None
    return Point(None if roles.times is None else int(roles.times.seconds[0]), float(roles.values[0]))


def _without_value(table: Table, choices: Choices) -> Point | None:
    time = next((column for column in table.columns if names.is_time(column.name)), table.columns[0])
    return None if time.is_empty else Point(int(parse_times(table, time, choices).seconds[0]), None)


def _delimited(text: str, choices: Choices) -> Table:
    prepared = prepare(text, choices, _NAME)
    prepared.delimiter = prepared.delimiter or delimiter_of(prepared, choices)
    table = parse_delimited(prepared, prepared.delimiter)
    if prepared.delimiter is None:
        table.decimal = "."
    return table


def _by_position(table: Table, choices: Choices) -> Choices:
    """Choose the columns of a line: a value, or a time and a value."""
    if choices.time_column or choices.value_column or len(table.columns) > 2:
        return choices
    if len(table.columns) == 1:
        return replace(choices, value_column="1")
    first, second = (column.cells[0] for column in table.columns)
    may_be_one_number = table.hint and first.lstrip("+-").isdecimal() and second.isdecimal()
    if may_be_one_number and not (choices.delimiter or choices.unit or looks_like_epochs(table.columns[0])):
        raise invalid("It can be one number with a decimal comma, or two. Use --decimal , or --delimiter , to choose.")
    return replace(choices, time_column="1", value_column="2")


def parse_time(text: str, choices: Choices) -> int:
    """Parse a time as whole seconds since 1970; raise `InputError` if it is invalid or ambiguous."""
    if not text.strip():
        raise invalid("The time is empty: write a date such as 2026-01-31T12:00:00Z, or Unix time.")
    column = Column("time", [text.strip()], 1)
    return int(parse_times(Table([column], [1]), column, choices).seconds[0])
