"""Columns of numeric times: Unix time, compact dates such as 20260131, and numbers that only look like times."""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor

import numpy as np
from numpy.typing import NDArray

from api.files.choices import Choices, Unit
from api.files.compact import looks_compact, parse_compact
from api.files.dates import ABSENT, Times
from api.files.table import Column, Table, invalid, quoted
from shared.errors import InputError

PER_SECOND = {Unit.S: 1, Unit.MS: 1_000, Unit.US: 1_000_000, Unit.NS: 1_000_000_000}
# Numbers from 1e11 on are milliseconds: as seconds they would be beyond the year 5138, and 1e11 ms is March 1973. The
# other limits follow the same pattern.
SMALLEST = {Unit.NS: 1e17, Unit.US: 1e14, Unit.MS: 1e11, Unit.S: 0.0}
Y1990, Y2100 = 631_152_000, 4_102_444_800
_NUMBER = re.compile(r"[-+]?0*(?:\.0*)?(?:[eE][-+]?0{1,3})?")
_MMDD = r"(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
_YYMMDD = rf"\d\d{_MMDD}(?:(?:[01]\d|2[0-3])[0-5]\d)?"
MAX_DIGITS = 40
EXCEL = "excel"  # value of --time-format
_EXCEL_1970 = 25_569


@dataclass(frozen=True)
class Impostor:
    """A range of numbers that count something else than Unix time."""

    low: float
    high: float
    name: str
    advice: str


# Ranges that a whole column must fall into; as Unix time each would lie in 1970 or in the wrong decade.
IMPOSTORS = (
    Impostor(1_900, 2_100, "years", "Use --time-format %Y, or --unit s for seconds since 1970."),
    Impostor(
        20_000,
        80_000,
        "days of Excel",
        "Format the column as dates and export it again, or use --time-format excel (or --unit s for Unix time).",
    ),
    Impostor(700_000, 800_000, "days of MATLAB", "Export dates, or use --unit s for seconds since 1970."),
    Impostor(2_400_000, 2_500_000, "Julian days", "Export dates, or use --unit s for seconds since 1970."),
    Impostor(1.2e7, 7e7, "minutes since 1970", "Export dates, or use --unit s for seconds since 1970."),
    Impostor(1.2e17, 1.5e17, "Windows file times", "Export dates, or use --unit ns for nanoseconds since 1970."),
    Impostor(6.2e17, 6.7e17, ".NET ticks", "Export dates, or use --unit ns for nanoseconds since 1970."),
)


def looks_like_epochs(column: Column) -> bool:
    """Check whether all cells are Unix times of the years 1990 to 2100 in one unit, or compact dates."""
    if not is_numeric(column):
        return False
    if looks_compact(column):
        return True
    present = _present(column)
    if not Y1990 <= float(present[0]) <= Y2100 * PER_SECOND[Unit.NS]:
        return False
    numbers = np.array([float(cell) for cell in present])
    units = {_unit_of(number) for number in (numbers.min(), numbers.max())}
    if len(units) > 1:
        return False
    factor = PER_SECOND[units.pop()]
    return bool(numbers.min() >= Y1990 * factor and numbers.max() <= Y2100 * factor)


def is_increasing(column: Column) -> bool:
    """Check whether the numbers of a column only grow or only shrink."""
    steps = np.diff(np.array([float(cell) for cell in _present(column)]))
    return bool((steps > 0).all() or (steps < 0).all())


def is_numeric(column: Column) -> bool:
    """Check whether all cells with content are plain numbers with at most a decimal point."""
    return not column.is_empty and all(
        shape in column.missing or ("0" in shape and _NUMBER.fullmatch(shape)) for shape in column.first_of
    )


def parse_epochs(table: Table, column: Column, choices: Choices) -> Times:
    """Parse numeric times; raise `InputError` if they are not clearly Unix time or compact dates."""
    if choices.unit is None:
        if looks_compact(column):
            return parse_compact(table, column, choices)
        _refuse_other_digits(column)
    _refuse_lost_digits(table, column, choices.unit)
    if any(len(shape) > MAX_DIGITS for shape in column.first_of):
        raise _too_large(column)
    numbers = list(map(_whole, _present(column)))
    if max(numbers) >= 2**63 or min(numbers) < -(2**63):
        raise _too_large(column)
    unit = choices.unit or _common_unit(table, column, numbers)
    factor = PER_SECOND[unit]
    present = _is_present(column)
    seconds = np.full(len(column.cells), ABSENT)
    seconds[present] = [number // factor for number in numbers]
    if choices.unit is None and max(numbers) > Y2100 * factor:
        index = int(seconds.argmax())
        raise invalid(
            f"{quoted(column.cells[index])} ({table.place(column, index)}) would be after 2100 as Unix time in {unit}. "
            f"State the unit with --unit, or the format with --time-format."
        )
    return Times(seconds, f"Unix time in {'µs' if unit is Unit.US else unit}")


def _too_large(column: Column) -> InputError:
    longest = max(_present(column), key=lambda cell: abs(float(cell)))
    return invalid(f"{quoted(longest)} in column {column} is too large for a timestamp.")


def _whole(cell: str) -> int:
    """Round a number down, exactly: nanoseconds have more digits than a float can hold."""
    if "e" in cell.lower():
        return floor(Fraction(cell))
    whole, _, fraction = cell.partition(".")
    is_below = whole.startswith("-") and bool(fraction.strip("0"))
    return int(whole if whole.strip("+-") else "0") - is_below


def parse_excel(table: Table, column: Column) -> Times:
    """Parse days since 1900 as Excel stores them, rounded to the second."""
    seconds = np.full(len(column.cells), ABSENT)
    for index in np.flatnonzero(_is_present(column)).tolist():
        cell = column.cells[index].replace(",", ".")
        if not re.fullmatch(r"\d{1,7}(\.\d*)?", cell):
            raise invalid(f"{quoted(cell)} ({table.place(column, index)}) is not a day of Excel.")
        seconds[index] = round((Fraction(cell) - _EXCEL_1970) * 86_400)
    return Times(seconds, "days of Excel, read as UTC", naive=True)


def _present(column: Column) -> list[str]:
    if not column.missing:
        return list(column.cells)
    return [cell for cell, shape in zip(column.cells, column.shapes, strict=True) if shape not in column.missing]


def _is_present(column: Column) -> NDArray[np.bool_]:
    if not column.missing:
        return np.ones(len(column.cells), dtype=bool)
    return np.array([shape not in column.missing for shape in column.shapes])


def _unit_of(number: float) -> Unit:
    return next((unit for unit, smallest in SMALLEST.items() if abs(number) >= smallest), Unit.S)


def _common_unit(table: Table, column: Column, numbers: Sequence[int]) -> Unit:
    """Return the unit of all numbers; raise `InputError` if small and large ones are mixed."""
    sizes = np.abs(np.array(numbers, dtype=np.float64))
    unit = _unit_of(float(sizes.max()))
    # Times that start at zero are small at first, but Unix times of the same column differ by decades at most.
    strays = np.flatnonzero(sizes < SMALLEST[unit])
    if len(strays) and sizes.min() >= Y1990:
        index = int(np.flatnonzero(_is_present(column))[strays[0]])
        largest = int(np.flatnonzero(_is_present(column))[int(sizes.argmax())])
        raise invalid(
            f"Column {column} mixes units: {quoted(column.cells[largest])} (row {table.rows[largest]:,}) is in {unit}, "
            f"but {quoted(column.cells[index])} (row {table.rows[index]:,}) is in {_unit_of(float(sizes[strays[0]]))}. "
            "Write all times in one unit."
        )
    return unit


def _refuse_other_digits(column: Column) -> None:
    """Raise `InputError` if the numbers look like another count of time than Unix time."""
    numbers = [float(cell) for cell in _present(column)]
    low, high = min(numbers), max(numbers)
    first = column.cells[int(np.flatnonzero(_is_present(column))[0])]
    for impostor in IMPOSTORS:
        if impostor.low <= low and high <= impostor.high:
            raise invalid(
                f"{quoted(first)} (column {column}) looks like {impostor.name}, not like Unix time. {impostor.advice}"
            )
    if _all_digits_are(column, rf"(?:19|20)\d\d{_MMDD}(?:[01]\d|2[0-3])") and (high > time.time()):
        raise invalid(
            f"{quoted(first)} (column {column}) can be a date written as YYYYMMDDhh, or Unix time in the future. "
            "Use --time-format %Y%m%d%H or --unit s."
        )
    if len(numbers) > 1 and _all_digits_are(
        column, r"\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:(?:[01]\d|2[0-3])[0-5]\d)?"
    ):
        advice = "Use --time-format %y%m%d, or --unit s for seconds since 1970."
        raise invalid(f"{quoted(first)} (column {column}) can be a date written as YYMMDD. {advice}")


def _all_digits_are(column: Column, pattern: str) -> bool:
    expression = re.compile(pattern)
    return all(expression.fullmatch(cell) for cell in _present(column))


def _refuse_lost_digits(table: Table, column: Column, unit: Unit | None) -> None:
    """Raise `InputError` if a number such as 1.76818E+12 has too few digits for a second."""
    for index, cell in enumerate(column.cells):
        if "e" not in cell.lower() or column.shapes[index] in column.missing:
            continue
        mantissa, exponent = re.split("[eE]", cell)
        decimals = len(mantissa.partition(".")[2])
        digits_of_unit = len(str(PER_SECOND[unit or _unit_of(float(cell))])) - 1
        if int(exponent) - decimals > digits_of_unit:
            raise invalid(
                f"{quoted(cell)} ({table.place(column, index)}) has lost the digits of the seconds, as spreadsheets "
                "round long numbers. Export the column as text or with all digits."
            )
