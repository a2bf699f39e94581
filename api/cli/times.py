"""Times as files have them, to whole seconds since 1970: ISO 8601, or numbers in a unit that is guessed."""

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum

import numpy as np

from shared.domain.series import Timestamps
from shared.errors import Code, InputError


class Unit(StrEnum):
    """Of numbers that count from 1970."""

    S = "s"
    MS = "ms"
    US = "us"
    NS = "ns"


PER_SECOND = {Unit.S: 1, Unit.MS: 1_000, Unit.US: 1_000_000, Unit.NS: 1_000_000_000}
# Larger seconds are beyond the year 5138, smaller milliseconds before March 1973, and so on for the others.
SMALLEST = {Unit.NS: 1e17, Unit.US: 1e14, Unit.MS: 1e11, Unit.S: 0.0}


def seconds(cells: Sequence[str], unit: Unit | None) -> tuple[Timestamps, str]:
    """Whole seconds (n,), rounded down, and what the cells were taken for; `InputError` names the first that is none.

    All are of one kind: numbers if the first is one.
    """
    if not cells:
        return np.empty(0, dtype=np.int64), "nothing"
    if unit or is_number(cells[0]):
        return _of_numbers(cells, unit)
    return _of_iso(cells)


def is_time(cell: str) -> bool:
    """Whether it is a number or a date."""
    return is_number(cell) or _iso(cell) is not None


def is_number(cell: str) -> bool:
    """Whether it is a finite number."""
    try:
        return bool(np.isfinite(float(cell)))
    except ValueError:
        return False


def _of_numbers(cells: Sequence[str], unit: Unit | None) -> tuple[Timestamps, str]:
    numbers = [_number(cell, place) for place, cell in enumerate(cells)]
    largest = max(abs(number) for number in numbers)
    found = unit or next(unit for unit, smallest in SMALLEST.items() if largest >= smallest)
    stamps = [int(number // PER_SECOND[found]) for number in numbers]
    if max(map(abs, stamps)) >= 2**63:
        raise InputError(Code.INVALID_FILE, f"{largest} is too large to be a time.")
    name = {"us": "µs"}.get(found, found)
    return np.array(stamps, dtype=np.int64), f"unix times in {name}"


def _number(cell: str, place: int) -> int | float:
    """As an integer where it is one: nanoseconds have more digits than a float."""
    try:
        return int(cell)
    except ValueError:
        if is_number(cell):
            return float(cell)
    raise _no_time(cell, place)


def _of_iso(cells: Sequence[str]) -> tuple[Timestamps, str]:
    moments = [_iso(cell) for cell in cells]
    stamps = np.empty(len(cells), dtype=np.int64)
    zoneless = False
    for place, moment in enumerate(moments):
        if moment is None:
            raise _no_time(cells[place], place)
        zoneless |= moment.tzinfo is None
        stamps[place] = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() // 1
    return stamps, "dates without a zone, taken for UTC" if zoneless else "dates with their zone"


def _iso(cell: str) -> datetime | None:
    try:
        return datetime.fromisoformat(cell.strip())
    except ValueError:
        return None


def _no_time(cell: str, place: int) -> InputError:
    sentence = f"{cell[:40]!r}, time number {place + 1}, is neither a number nor a date as in 2026-01-31T12:00:00Z."
    return InputError(Code.INVALID_FILE, sentence)
