"""Errors about cells that are not dates, or are two."""

import re

from api.files.layouts import is_time_of_day
from api.files.table import Column, Table, invalid, quoted
from shared.errors import InputError

ORDER_NAMES = {"YMD": "year, month, day", "DMY": "day, month, year", "MDY": "month, day, year"}
_FORMATS = {"YMD": "%Y{0}%m{0}%d", "DMY": "%d{0}%m{0}%Y", "MDY": "%m{0}%d{0}%Y"}


def ambiguous(table: Table, column: Column, index: int, order: str, other: str) -> InputError:
    """Return the error for a column that two orders of day, month and year fit."""
    cell = column.cells[index]
    separator = re.search(r"\d([-/. ])", cell)
    formats = [_FORMATS[name].format(separator[1] if separator else "-") for name in (order, other)]
    if not re.search(r"\d{4}", cell):
        formats = [text.replace("%Y", "%y") for text in formats]
    return invalid(
        f"{quoted(cell)} ({table.place(column, index)}) can be read as {ORDER_NAMES[order]} or as "
        f"{ORDER_NAMES[other]}, and so can every other cell of the column. "
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
