"""Which character separates the cells of a text: the only one that gives points."""

import numpy as np

from api.files.choices import Choices
from api.files.dates import looks_like_dates
from api.files.delimited import parse_delimited
from api.files.epochs import looks_like_epochs
from api.files.preparing import Text
from api.files.roles import Roles, assign
from api.files.table import Column, Table, invalid
from shared.errors import InputError

SAMPLE_CHARACTERS = 100_000


def delimiter_of(text: Text, choices: Choices) -> str | None:
    """Return the only delimiter that gives points; the most likely one if none does, to report what is wrong.

    None stands for a single column. Raises `InputError` if two delimiters give different points.
    """
    sample = _sample(text)
    marks = [mark for mark in ",;\t|" if mark in sample.body]
    if choices.decimal == "," and '"' not in sample.body and "," in marks:
        marks.remove(",")
    tables = {mark: table for mark in marks if (table := _split(sample, mark))}
    timed = {mark: table for mark, table in tables.items() if _has_times(table)}
    if not timed and " " in sample.body and (table := _split(sample, " ")):  # dates contain spaces, too
        tables[" "] = table
    found = {mark: roles for mark, table in (timed or tables).items() if (roles := _assigned(table, choices))}
    if found:
        _refuse_different_readings(text.name, found)
        return next(iter(found))
    if timed:
        return next(iter(timed))
    lines = [line.strip() for line in sample.body.split("\n") if line.strip()]
    common = [mark for mark in ";\t|," if mark in marks and sum(mark in line for line in lines) > len(lines) / 2]
    if not common and " " in tables and all(" " in line for line in lines):
        return " "
    return common[0] if common else None


def _sample(text: Text) -> Text:
    """Return the first lines of a text."""
    if len(text.body) <= SAMPLE_CHARACTERS:
        return text
    end = text.body.rfind("\n", 0, SAMPLE_CHARACTERS) + 1
    return Text(text.body[: end or None], text.name, comments=text.comments)


def _split(sample: Text, mark: str) -> Table | None:
    """Return the table with this delimiter; None if rows differ in length."""
    part = Text(sample.body, sample.name, mark, sample.comments, ends_with_newline=sample.ends_with_newline)
    try:
        return parse_delimited(part, mark)
    except InputError:
        return None


def _has_times(table: Table) -> bool:
    """Check whether a column looks like times in one half of the file at least: a single cell may be wrong."""
    middle = (len(table) + 1) // 2
    halves = [
        Column(column.name, cells, column.number)
        for column in table.columns
        for cells in (column.cells[:middle], column.cells[middle:])
        if cells
    ]
    return any(looks_like_dates(half) or looks_like_epochs(half) for half in halves)


def _assigned(table: Table, choices: Choices) -> Roles | None:
    try:
        return assign(table, choices)
    except InputError:
        return None


def _refuse_different_readings(name: str, found: dict[str, Roles]) -> None:
    (first, roles), *others = found.items()
    for other, other_roles in others:
        is_same = np.array_equal(_seconds(roles), _seconds(other_roles)) and np.array_equal(
            roles.values, other_roles.values, equal_nan=True
        )
        if not is_same:
            raise invalid(
                f"{name} can be read with {first!r} and with {other!r} between the cells. Choose with --delimiter."
            )


def _seconds(roles: Roles) -> list[int]:
    return [] if roles.times is None else roles.times.seconds.tolist()
