"""Times in files, as whole seconds since 1970: ISO 8601, or numbers in a unit that is guessed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import numpy as np

from shared.domain.series import Timestamps
from shared.errors import Code, InputError


class Unit(StrEnum):
    """Unit of numbers that count from 1970."""

    S = "s"
    MS = "ms"
    US = "us"
    NS = "ns"


PER_SECOND = {Unit.S: 1, Unit.MS: 1_000, Unit.US: 1_000_000, Unit.NS: 1_000_000_000}
# Larger seconds are beyond the year 5138, smaller milliseconds before March 1973, and so on for the others.
SMALLEST = {Unit.NS: 1e17, Unit.US: 1e14, Unit.MS: 1e11, Unit.S: 0.0}


@dataclass(frozen=True)
class Times:
    """Whole seconds (n,), rounded down, and the kind of cells that they were read from."""

    seconds: Timestamps
    kind: str


def parse(cells: Sequence[str], unit: Unit | None) -> Times:
    """Parse cells, all as numbers if the first is a number; raise `InputError` at the first that is not a time."""
    if not cells:
        return Times(np.empty(0, dtype=np.int64), "nothing")
    if unit or is_number(cells[0]):
        return _of_numbers(cells, unit)
    return _of_iso(cells)


def second(cell: str, unit: Unit | None) -> int:
    """Parse a single time."""
    return int(parse([cell], unit).seconds[0])


def is_time(cell: str) -> bool:
    """Return whether the cell is a number or an ISO 8601 date."""
    return is_number(cell) or _iso(cell) is not None


def is_number(cell: str) -> bool:
    """Return whether the cell is a finite number."""
    try:
        return bool(np.isfinite(float(cell)))
    except ValueError:
        return False


def _of_numbers(cells: Sequence[str], unit: Unit | None) -> Times:
    numbers = [_number(cell, index) for index, cell in enumerate(cells)]
    largest = max(abs(number) for number in numbers)
    unit = unit or next(unit for unit, smallest in SMALLEST.items() if largest >= smallest)
    seconds = [int(number // PER_SECOND[unit]) for number in numbers]
    if max(map(abs, seconds)) >= 2**63:
        raise InputError(Code.INVALID_FILE, f"{largest} is too large to be a time.")
    symbol = {"us": "µs"}.get(unit, unit)
    return Times(np.array(seconds, dtype=np.int64), f"unix times in {symbol}")


def _number(cell: str, index: int) -> int | float:
    """Parse as an integer if possible: nanoseconds have more digits than a float."""
    try:
        return int(cell)
    except ValueError:
        if is_number(cell):
            return float(cell)
    raise _not_a_time(cell, index)


def _of_iso(cells: Sequence[str]) -> Times:
    seconds = np.empty(len(cells), dtype=np.int64)
    zoneless = False
    for index, cell in enumerate(cells):
        moment = _iso(cell)
        if moment is None:
            raise _not_a_time(cell, index)
        zoneless |= moment.tzinfo is None
        seconds[index] = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() // 1
    return Times(seconds, "dates without a zone, taken for UTC" if zoneless else "dates with their zone")


def _iso(cell: str) -> datetime | None:
    try:
        return datetime.fromisoformat(cell.strip())
    except ValueError:
        return None


def _not_a_time(cell: str, index: int) -> InputError:
    sentence = f"{cell[:40]!r}, time number {index + 1}, is neither a number nor a date as in 2026-01-31T12:00:00Z."
    return InputError(Code.INVALID_FILE, sentence)
