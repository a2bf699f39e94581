"""Parse timestamps in files, ISO 8601 or numbers whose unit is guessed, as whole seconds since 1970."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import numpy as np

from shared.domain.series import Timestamps
from shared.errors import Code, InputError


class Unit(StrEnum):
    """Unit of numeric timestamps, which count from 1970."""

    S = "s"
    MS = "ms"
    US = "us"
    NS = "ns"


PER_SECOND = {Unit.S: 1, Unit.MS: 1_000, Unit.US: 1_000_000, Unit.NS: 1_000_000_000}
# Numbers from 1e11 on are milliseconds: as seconds they would be beyond the year 5138, and 1e11 ms is March 1973. The
# other limits follow the same pattern.
SMALLEST = {Unit.NS: 1e17, Unit.US: 1e14, Unit.MS: 1e11, Unit.S: 0.0}


@dataclass(frozen=True)
class Times:
    """Whole seconds (n,), rounded down, and a description of the format they were read from."""

    seconds: Timestamps
    format: str


def parse(cells: Sequence[str], unit: Unit | None) -> Times:
    """Parse cells, all as numbers if the first is a number; raise `InputError` at the first invalid timestamp."""
    if not cells:
        return Times(np.empty(0, dtype=np.int64), "empty")
    if unit or is_number(cells[0]):
        return _parse_numbers(cells, unit)
    return _parse_dates(cells)


def parse_one(cell: str, unit: Unit | None) -> int:
    """Parse a single timestamp."""
    return int(parse([cell], unit).seconds[0])


def is_time(cell: str) -> bool:
    """Check whether the cell is a finite number or an ISO 8601 date."""
    return is_number(cell) or _date(cell) is not None


def is_number(cell: str) -> bool:
    """Check whether the cell is a finite number."""
    try:
        return bool(np.isfinite(float(cell)))
    except ValueError:
        return False


def _parse_numbers(cells: Sequence[str], unit: Unit | None) -> Times:
    numbers = [_number(cells, index) for index in range(len(cells))]
    largest = max(abs(number) for number in numbers)
    unit = unit or next(unit for unit, smallest in SMALLEST.items() if largest >= smallest)
    seconds = [int(number // PER_SECOND[unit]) for number in numbers]
    if max(map(abs, seconds)) >= 2**63:
        raise InputError(Code.INVALID_FILE, f"{largest} is too large for a timestamp.")
    symbol = {"us": "µs"}.get(unit, unit)
    return Times(np.array(seconds, dtype=np.int64), f"Unix time in {symbol}")


def _number(cells: Sequence[str], index: int) -> int | float:
    """Parse an integer if possible: nanoseconds have more digits than a float can hold."""
    try:
        return int(cells[index])
    except ValueError:
        if is_number(cells[index]):
            return float(cells[index])
    raise _not_a_time(cells, index)


def _parse_dates(cells: Sequence[str]) -> Times:
    seconds = np.empty(len(cells), dtype=np.int64)
    any_without_zone = False
    for index, cell in enumerate(cells):
        date = _date(cell)
        if date is None:
            raise _not_a_time(cells, index)
        any_without_zone |= date.tzinfo is None
        seconds[index] = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() // 1
    return Times(seconds, "dates without a time zone, read as UTC" if any_without_zone else "dates with a time zone")


def _date(cell: str) -> datetime | None:
    try:
        return datetime.fromisoformat(cell.strip())
    except ValueError:
        return None


def _not_a_time(cells: Sequence[str], index: int) -> InputError:
    row = f" (data row {index + 1})" if len(cells) > 1 else ""
    sentence = f"{cells[index][:40]!r}{row} is neither a number nor a date such as 2026-01-31T12:00:00Z."
    return InputError(Code.INVALID_FILE, sentence)
