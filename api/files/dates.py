"""Columns of written dates, and pairs of date and time columns, as seconds since 1970."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
from numpy.typing import NDArray

from api.files.choices import Choices
from api.files.date_problems import ORDER_NAMES, ambiguous, unreadable
from api.files.layouts import MONTHS, Layout, clock_of, day_of, is_time_of_day, layout_of
from api.files.table import Column, Table, invalid, quoted
from api.files.zones import to_utc
from shared.domain.series import Timestamps

ABSENT = np.iinfo(np.int64).min  # the time of a row whose time cell is empty


Layouts = dict[str, Layout]  # by shape


@dataclass(frozen=True)
class Times:
    """Whole seconds (n,) since 1970, rounded down, with `ABSENT` for empty cells, and their description."""

    seconds: Timestamps
    format: str
    naive: bool = False  # dates without a time zone that were read as UTC


class _UnreadableError(ValueError):
    """A part of a cell cannot be parsed."""


class _Memo(dict[str, int]):
    """Parsed parts of cells: a million times of day have few distinct texts."""

    def __init__(self, parse: Callable[[str], int | None]) -> None:
        super().__init__()
        self._parse = parse

    def __missing__(self, text: str) -> int:
        if (parsed := self._parse(text)) is None:
            raise _UnreadableError(text)
        self[text] = parsed
        return parsed


def looks_like_dates(column: Column) -> bool:
    """Check whether all cells with content have the shape of a date, and not of a plain number."""
    return not column.is_empty and all(
        shape in column.missing or (layout_of(shape) is not None and not shape.isdecimal()) for shape in column.first_of
    )


def looks_like_clocks(column: Column) -> bool:
    """Check whether all cells with content are times of day without a date."""
    return not column.is_empty and all(shape in column.missing or is_time_of_day(shape) for shape in column.first_of)


def has_clock(column: Column) -> bool:
    """Check whether any date of the column has a time of day."""
    return any((layout := layout_of(shape)) is not None and layout.has_clock for shape in column.first_of)


def parse_dates(table: Table, column: Column, choices: Choices) -> Times:
    """Parse dates; raise `InputError` if no order of day, month and year fits all of them, or more than one does."""
    for shape, first in column.first_of.items():
        if shape not in column.missing and (layout_of(shape) is None or shape.isdecimal()):
            raise unreadable(table, column, first)
    layouts = {
        shape: layout
        for shape in column.first_of
        if shape not in column.missing and (layout := layout_of(shape)) is not None
    }
    _refuse_mixed(table, column, layouts)
    orders = set(ORDER_NAMES).intersection(*(layout.orders for layout in layouts.values()))
    fitting: dict[str, tuple[NDArray[np.int64], Zones]] = {}
    unreadable_in: dict[str, list[int]] = {}
    for order in sorted(orders):
        zones = Zones()
        try:
            fitting[order] = _seconds(column, layouts, order, zones), zones
        except _UnreadableError:
            unreadable_in[order] = _unreadable_in(column, layouts, order)
    if not fitting:
        raise unreadable(table, column, max(places[0] for places in unreadable_in.values()))
    (order, (seconds, zones)), *others = fitting.items()
    if lone := [places[0] for places in unreadable_in.values() if len(places) == 1]:
        _refuse_lone_witness(table, column, lone[0], seconds)
    for other, (other_seconds, _) in others:
        if len(differing := np.flatnonzero(seconds != other_seconds)):
            raise ambiguous(table, column, int(differing[0]), order, other)
    return zoned(table, column, seconds, zones, choices, _label(order, column))


def _refuse_lone_witness(table: Table, column: Column, index: int, seconds: NDArray[np.int64]) -> None:
    """Raise `InputError` if only one cell tells day and month apart, and times are uneven: it may be a typo."""
    if len(np.unique(np.diff(seconds[seconds != ABSENT]))) > 1:
        raise invalid(
            f"{quoted(column.cells[index])} ({table.place(column, index)}) is the only cell that tells day and month "
            "apart, and the times are uneven. State the format with --time-format."
        )


def _refuse_mixed(table: Table, column: Column, layouts: Layouts) -> None:
    """Raise `InputError` if dates are written in different ways: each would decide how to read the others."""
    firsts: dict[str, int] = {}
    for shape, layout in layouts.items():
        firsts.setdefault(layout.kind, column.first_of[shape])
    if len(firsts) > 1:
        first, second = list(firsts.values())[:2]
        raise invalid(
            f"Column {column} has dates in different formats: {quoted(column.cells[first])} (row "
            f"{table.rows[first]:,}) and {quoted(column.cells[second])} (row {table.rows[second]:,}). "
            "Write all dates in one format."
        )


def parse_pair(table: Table, day: Column, clock: Column, choices: Choices) -> Times:
    """Parse a date from one column and its time of day from another."""
    days = parse_dates(table, day, Choices())
    zones = Zones()
    clocks = np.zeros(len(table), dtype=np.int64)
    memo = _Memo(zones.parse)
    for index, (cell, shape) in enumerate(zip(clock.cells, clock.shapes, strict=True)):
        if shape in clock.missing:
            clocks[index] = ABSENT
            continue
        try:
            clocks[index] = memo[cell]
        except _UnreadableError:
            raise unreadable(table, clock, index) from None
    absent = (days.seconds == ABSENT) | (clocks == ABSENT)
    seconds = np.where(absent, ABSENT, days.seconds + np.where(absent, 0, clocks))
    return zoned(table, clock, seconds, zones, choices, days.format.partition(" without")[0])


def parse_format(table: Table, column: Column, choices: Choices) -> Times:
    """Parse cells with the format that the user states."""
    format_ = choices.time_format or ""
    zones = Zones()

    def parse(cell: str) -> int | None:
        try:
            moment = datetime.strptime(_in_english(cell, format_), format_)  # noqa: DTZ007 - the next lines handle zones
        except (ValueError, OverflowError, re.error):
            return None
        zones.add(aware=moment.tzinfo is not None)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() // 1)

    memo = _Memo(parse)
    seconds = np.full(len(column.cells), ABSENT)
    for index, (cell, shape) in enumerate(zip(column.cells, column.shapes, strict=True)):
        if shape in column.missing:
            continue
        try:
            seconds[index] = memo[cell]
        except _UnreadableError:
            raise invalid(
                f"{quoted(cell)} ({table.place(column, index)}) does not have the format {format_!r} of --time-format."
            ) from None
    return zoned(table, column, seconds, zones, choices, f"format {format_!r}")


class Zones:
    """Notes whether times have a time zone."""

    def __init__(self) -> None:
        self.aware = self.naive = False

    def add(self, *, aware: bool) -> None:
        self.aware |= aware
        self.naive |= not aware

    def parse(self, text: str) -> int | None:
        try:
            clock = clock_of(text)
        except ValueError:
            return None
        if clock is None:
            return None
        self.add(aware=clock[1])
        return clock[0]


def _parts(column: Column, layouts: Layouts) -> Iterator[tuple[str, str] | None]:
    """Yield the texts of date and time of day of each cell; None for a missing one."""
    slices = {
        shape: (layout.day[0], layout.day[1] if len(layout.day) > 1 else None, layout.clock)
        for shape, layout in layouts.items()
    }
    for cell, shape in zip(column.cells, column.shapes, strict=True):
        if shape not in slices:
            yield None
            continue
        day, year, clock = slices[shape]
        yield cell[day] if year is None else f"{cell[day]} {cell[year]}", cell[clock]


def _seconds(column: Column, layouts: Layouts, order: str, zones: Zones) -> NDArray[np.int64]:
    days, clocks = _Memo(lambda text: day_of(text, order)), _Memo(zones.parse)
    seconds = (ABSENT if part is None else 86_400 * days[part[0]] + clocks[part[1]] for part in _parts(column, layouts))
    return np.fromiter(seconds, dtype=np.int64, count=len(column.cells))


def _unreadable_in(column: Column, layouts: Layouts, order: str) -> list[int]:
    """Return the indices of the first two cells that cannot be read in this order."""
    days, clocks = _Memo(lambda text: day_of(text, order)), _Memo(Zones().parse)
    found = []
    for index, part in enumerate(_parts(column, layouts)):
        try:
            if part is not None:
                _ = days[part[0]] + clocks[part[1]]
        except _UnreadableError:
            found.append(index)
            if len(found) == 2:
                break
    return found


def zoned(
    table: Table, column: Column, seconds: NDArray[np.int64], zones: Zones, choices: Choices, label: str
) -> Times:
    """Apply the time zone that the user states to times without one."""
    if zones.aware and zones.naive:
        raise invalid(
            f"Some cells of column {column} have a time zone and others have none. Write all times in one way."
        )
    if zones.aware:
        return Times(seconds, f"{label} with a time zone")
    if choices.zone is None:
        return Times(seconds, f"{label} without a time zone, read as UTC", naive=True)
    present = seconds != ABSENT
    utc, notes = to_utc(table, column, seconds, present, choices.zone)
    table.notes.extend(notes)
    return Times(utc, f"{label} in {choices.timezone}")


def _label(order: str, column: Column) -> str:
    layout = layout_of(next(shape for shape in column.first_of if shape not in column.missing))
    is_plain = layout is not None and layout.orders == frozenset(("YMD",))
    return "dates" if is_plain else f"dates ({ORDER_NAMES[order]})"


def _in_english(cell: str, format_: str) -> str:
    """Replace the name of a month by its English abbreviation if the format has one."""
    if "%b" not in format_ and "%B" not in format_:
        return cell
    full = "%B" in format_
    return re.sub(
        r"[^\W\d_]+",
        lambda match: _english(MONTHS[match[0].lower()], full=full) if match[0].lower() in MONTHS else match[0],
        cell,
    )


def _english(month: int, *, full: bool) -> str:
    name = date(2000, month, 1).strftime("%B")  # commands never leave the C locale
    return name if full else name[:3]
