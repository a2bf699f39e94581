"""Columns of written dates, and pairs of date and time columns, as seconds since 1970."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
from numpy.typing import NDArray

from api.cli.files.choices import Choices
from api.cli.files.layouts import MONTHS, Layout, clock_of, day_of, is_time_of_day, layout_of
from api.cli.files.table import Column, Table, invalid, quoted
from api.cli.files.zones import to_utc
from shared.domain.series import Timestamps
from shared.errors import InputError

ABSENT = np.iinfo(np.int64).min  # the time of a row whose time cell is empty
_ORDER_NAMES = {"YMD": "year, month, day", "DMY": "day, month, year", "MDY": "month, day, year"}
_FORMATS = {"YMD": "%Y{0}%m{0}%d", "DMY": "%d{0}%m{0}%Y", "MDY": "%m{0}%d{0}%Y"}


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
        shape in column.missing or (layout_of(shape) is not None and not shape.isdigit()) for shape in column.first_of
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
        if shape not in column.missing and (layout_of(shape) is None or shape.isdigit()):
            raise unreadable(table, column, first)
    layouts = {
        shape: layout
        for shape in column.first_of
        if shape not in column.missing and (layout := layout_of(shape)) is not None
    }
    orders = set(_FORMATS).intersection(*(layout.orders for layout in layouts.values()))
    fitting: dict[str, tuple[NDArray[np.int64], Zones]] = {}
    failure: tuple[int, str] = (-1, "")
    for order in sorted(orders):
        zones = Zones()
        try:
            fitting[order] = _seconds(column, layouts, order, zones), zones
        except _UnreadableError:
            failure = max(failure, (_first_unreadable(column, layouts, order), order))
    if not fitting:
        raise unreadable(table, column, max(failure[0], 0))
    (order, (seconds, zones)), *others = fitting.items()
    for other, (other_seconds, _) in others:
        if len(differing := np.flatnonzero(seconds != other_seconds)):
            raise _ambiguous(table, column, int(differing[0]), order, other)
    return zoned(table, column, seconds, zones, choices, _label(order, column))


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
        except ValueError:
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


def _seconds(column: Column, layouts: Layouts, order: str, zones: Zones) -> NDArray[np.int64]:
    days, clocks = _Memo(lambda text: day_of(text, order)), _Memo(zones.parse)
    slices = {
        shape: (layout.day[0], layout.day[1] if len(layout.day) > 1 else None, layout.clock)
        for shape, layout in layouts.items()
    }

    def parsed() -> Iterable[int]:
        for cell, shape in zip(column.cells, column.shapes, strict=True):
            if shape not in slices:
                yield ABSENT
                continue
            day, year, clock = slices[shape]
            text = cell[day] if year is None else f"{cell[day]} {cell[year]}"
            yield 86_400 * days[text] + clocks[cell[clock]]

    return np.fromiter(parsed(), dtype=np.int64, count=len(column.cells))


def _first_unreadable(column: Column, layouts: Layouts, order: str) -> int:
    for index, (cell, shape) in enumerate(zip(column.cells, column.shapes, strict=True)):
        if shape in layouts:
            one = Column(column.name, [cell], column.number)
            try:
                _seconds(one, layouts, order, Zones())
            except _UnreadableError:
                return index
    return 0


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
    return "dates" if is_plain else f"dates ({_ORDER_NAMES[order]})"


def _ambiguous(table: Table, column: Column, index: int, order: str, other: str) -> InputError:
    cell = column.cells[index]
    separator = re.search(r"\d([-/. ])", cell)
    formats = [_FORMATS[name].format(separator[1] if separator else "-") for name in (order, other)]
    if not re.search(r"\d{4}", cell):
        formats = [text.replace("%Y", "%y") for text in formats]
    return invalid(
        f"{quoted(cell)} ({table.place(column, index)}) can be read as {_ORDER_NAMES[order]} or as "
        f"{_ORDER_NAMES[other]}, and so can every other cell of the column. "
        f"State the format: --time-format '{_with_clock(formats[0], cell)}' or '{_with_clock(formats[1], cell)}'."
    )


def _with_clock(date_format: str, cell: str) -> str:
    clock = re.search(r"[T ,]+(\d\d?:\d\d)(:\d\d)?([.]\d+)?( ?[APap][Mm])?", cell)
    if not clock:
        return date_format
    half = " %p" if clock[4] and clock[4].startswith(" ") else "%p" if clock[4] else ""
    hour = "%I:%M" if clock[4] else "%H:%M"
    joint = cell[clock.start() : clock.start(1)]
    return f"{date_format}{joint}{hour}{':%S' if clock[2] else ''}{'.%f' if clock[3] else ''}{half}"


def unreadable(table: Table, column: Column, index: int) -> InputError:
    """Return the error for a cell that is not a time."""
    cell = column.cells[index]
    advice = "Write dates such as 2026-01-31T12:00:00Z, or state the format with --time-format."
    if not column.cells[index]:
        return invalid(f"There is no time in {table.place(column, index)}, although the row has other cells.")
    if re.fullmatch(r"(?:\w+ )?\w{3,9}\.? +\d\d? \d\d?:\d\d(?::\d\d)?", cell) or re.fullmatch(
        r"\d\d?[-/.]\d\d?\.? \d\d?:\d\d(:\d\d)?", cell
    ):
        advice = "It has no year: write complete dates."
    elif is_time_of_day(re.sub("[1-9]", "0", cell)):
        advice = "It is a time of day without a date: add a column with the date."
    elif re.search(r"[ T]24:00", cell):
        advice = "Hours are 00 to 23: write 00:00 of the next day."
    return invalid(f"{quoted(cell)} ({table.place(column, index)}) is not a time that tsad can read. {advice}")


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
