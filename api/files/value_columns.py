"""Which column of a table is the value, and how its numbers are written: the only possibility, or an error."""

from collections.abc import Sequence

import numpy as np

from api.files import names
from api.files.choices import Choices
from api.files.dates import looks_like_clocks, looks_like_dates
from api.files.numbers import Reading, numbers_of
from api.files.table import Column, Table, invalid, listed, quoted
from shared.errors import InputError


def find_value(table: Table, columns: Sequence[Column], *, has_times: bool) -> tuple[Column, list[Column]]:
    """Return the only column that can be the value, and the other columns of numbers."""
    candidates = {
        column: found
        for column in columns
        if not names.is_label(column.name)
        and ((found := numbers_of(column)).good_share >= 0.5 or _starts_like_numbers(column))
    }
    if len(candidates) > 1:
        measured = {c: found for c, found in candidates.items() if not numbers_rows(c) and not identifies(c)}
        candidates = measured or candidates
    if not candidates:
        text = [column for column in columns if not names.is_label(column.name) and not names.is_series(column.name)]
        text = text if has_times and len(text) == 1 else [column for column in text if names.is_value(column.name)]
        if text:
            first = next(index for shape, index in text[0].first_of.items() if shape not in text[0].missing)
            raise _not_a_number(table, text[0], first)
        raise invalid(
            f"No column contains numbers{' beside the times' if has_times else ''}. Columns: {table.names()}."
        )
    named = [column for column in candidates if names.is_value(column.name)]
    if len(named) == 1 and not any(
        names.hints_at_value(column.name) for column in candidates if column is not named[0]
    ):
        return named[0], [column for column in candidates if column is not named[0]]
    if len(candidates) > 1:
        raise invalid(
            f"Several columns can be the value: {listed(list(candidates))}. {table.hint}Choose one with --value."
        )
    return next(iter(candidates)), []


def _starts_like_numbers(column: Column) -> bool:
    """Check whether most cells start with a digit, but are not dates."""
    shapes = [shape for shape in column.first_of if shape not in column.missing]
    starts = sum(shape.lstrip("+-\u2212$€£ ")[:1] == "0" for shape in shapes)
    return starts >= 0.5 * len(shapes) and not looks_like_dates(column) and not looks_like_clocks(column)


def numbers_rows(column: Column) -> bool:
    """Check for a column that counts rows, such as the index of pandas."""
    if not names.is_index(column.name) or not all(cell.isdecimal() and len(cell) < 16 for cell in column.cells):
        return False
    return bool((np.abs(np.diff(np.array([int(cell) for cell in column.cells]))) == 1).all())


def identifies(column: Column) -> bool:
    """Check for a column of whole numbers that identify something."""
    return names.is_id(column.name) and all(cell.isdecimal() for cell in column.cells)


def reading_of(table: Table, column: Column, choices: Choices) -> Reading:
    """Return how to read a column's numbers; raise `InputError` if that is not certain."""
    found = numbers_of(column)
    if found.bad is not None:
        raise _not_a_number(table, column, found.bad)
    if not found.readings:
        raise invalid(f"Column {column} {found.problem or 'has no numbers'}. Write all its cells in one way.")
    readings = [reading for reading in found.readings if _agrees(reading, choices)]
    if not readings:
        stated = f"--decimal {choices.decimal}" if choices.decimal else f"--thousands {choices.thousands!r}"
        first = next(index for shape, index in column.first_of.items() if shape not in column.missing)
        raise invalid(f"{quoted(column.cells[first])} ({table.place(column, first)}) does not fit {stated}.")
    is_stated = bool(choices.decimal or choices.thousands) or (
        table.decimal is not None and all(reading.thousands is None for reading in readings)
    )
    if found.witness is not None and not is_stated:
        cell = quoted(column.cells[found.witness])
        raise invalid(
            f"{cell} ({table.place(column, found.witness)}) is the only cell that tells decimal sign and thousands "
            "separator apart. State one with --decimal or --thousands."
        )
    if len(readings) > 1 and (sign := table.decimal or _sign_of_others(table, column)):
        readings = [reading for reading in readings if reading.decimal == sign] or readings
    if len(readings) > 1:
        raise _uncertain(table, column)
    return readings[0]


def _agrees(reading: Reading, choices: Choices) -> bool:
    if choices.decimal and (reading.decimal not in {None, choices.decimal} or reading.thousands == choices.decimal):
        return False
    return not choices.thousands or (
        reading.decimal != choices.thousands and reading.thousands in {None, choices.thousands}
    )


def _sign_of_others(table: Table, column: Column) -> str | None:
    """Return the decimal sign that every other column with a certain one uses."""
    certain = {
        found.readings[0].decimal
        for other in table.columns
        if other is not column and len((found := numbers_of(other)).readings) == 1 and found.bad is None
    } - {None}
    return certain.pop() if len(certain) == 1 else None


def _uncertain(table: Table, column: Column) -> InputError:
    first = next(index for shape, index in column.first_of.items() if "." in shape or "," in shape)
    cell = column.cells[first]
    sign = "," if "," in cell else "."
    return invalid(
        f"{quoted(cell)} ({table.place(column, first)}) can have a decimal sign or a thousands separator, and so can "
        f"every other cell of the column. Use --decimal {sign} or --thousands {sign}"
    )


def _not_a_number(table: Table, column: Column, index: int) -> InputError:
    others = [other for other in table.columns if other is not column and numbers_of(other).readings]
    advice = " Choose another column with --value." if len(others) > 1 else ""
    return invalid(f"{quoted(column.cells[index])} ({table.place(column, index)}) is not a number.{advice}")
