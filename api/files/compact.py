"""Columns of dates written in digits only, such as 20260131 and 202601312359."""

from collections import Counter

import numpy as np

from api.files.choices import Choices
from api.files.date_problems import unreadable
from api.files.dates import ABSENT, Times, Zones, zoned
from api.files.layouts import day_of
from api.files.table import Column, Table

_FORMS = {8: "YYYYMMDD", 12: "YYYYMMDDhhmm", 14: "YYYYMMDDhhmmss"}


def looks_compact(column: Column) -> bool:
    """Check whether at least half of the cells are dates of the years 1900 to 2100 in the same form."""
    shape = _usual_shape(column)
    if len(shape) not in _FORMS or not shape.isdecimal():
        return False
    read = _seconds(column, shape)
    present = sum(shape not in column.missing for shape in column.shapes) if column.missing else len(column.cells)
    return 2 * int(np.count_nonzero(read != ABSENT)) >= present


def parse_compact(table: Table, column: Column, choices: Choices) -> Times:
    """Parse dates in the form that most cells have; raise `InputError` at the first other cell."""
    shape = _usual_shape(column)
    seconds = _seconds(column, shape)
    for index in np.flatnonzero(seconds == ABSENT).tolist():
        if column.shapes[index] not in column.missing:
            raise unreadable(table, column, index)
    zones = Zones()
    zones.add(aware=False)
    return zoned(table, column, seconds, zones, choices, f"dates ({_FORMS[len(shape)]})")


def _usual_shape(column: Column) -> str:
    return Counter(column.shapes).most_common(1)[0][0]


def _seconds(column: Column, shape: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return seconds since 1970 (n,), with `ABSENT` for all cells that are not such a date."""
    days: dict[str, int | None] = {}
    seconds = np.full(len(column.cells), ABSENT)
    for index, (cell, found) in enumerate(zip(column.cells, column.shapes, strict=True)):
        if found != shape:
            continue
        text, clock = cell[:8], cell[8:].ljust(6, "0")
        if text not in days:
            days[text] = day_of(text, "YMD") if "1900" <= text[:4] <= "2100" else None
        hour, minute, second = int(clock[:2]), int(clock[2:4]), int(clock[4:])
        if (day := days[text]) is not None and hour < 24 and minute < 60 and second < 60:
            seconds[index] = 86_400 * day + 3_600 * hour + 60 * minute + second
    return seconds
