"""Delimited text as a table: find the header and the body, and skip what is not data, but never silently."""

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from api.files import names
from api.files.layouts import is_time_of_day, layout_of
from api.files.numbers import shape_of
from api.files.preparing import Text
from api.files.table import MISSING, Column, Table, invalid, quoted
from shared.wording import counted

SAMPLE_ROWS = 200
MAX_FOOTER_ROWS = 5
_DIGITS = str.maketrans("123456789", "000000000")
_TIME_UNITS = frozenset(
    ("s", "ms", "us", "µs", "ns", "-", "utc", "unix", "iso", "iso8601", "date", "datetime", "time", "timestamp")
)

Record = list[str]


def parse_delimited(text: Text, delimiter: str | None) -> Table:
    """Parse text with this delimiter, or as a single column; raise `InputError` if rows differ in length."""
    records = _records(text.body, delimiter)
    widths = Counter(map(len, filter(any, records)))
    if not widths:
        raise invalid(f"{text.name} contains no points.")
    width = max(widths, key=lambda size: (widths[size], size))
    if delimiter is not None and width == 1:
        raise invalid(f"Most rows of {text.name} have no {delimiter!r}.")
    sheet = _Sheet(records, width, _kinds(records, width), text)
    start = sheet.start()
    header, start, notes = sheet.header(start)
    end, footer_notes = sheet.end(start)
    rows, body, skipped_notes = sheet.body(start, end, header)
    column_names = _column_names(header, body, width, text)
    columns = [
        Column(name, list(map(str.strip, cells)), number)
        for number, (name, cells) in enumerate(zip(column_names, zip(*body, strict=True), strict=True), 1)
    ]
    table = Table(columns, rows, [*notes, *skipped_notes, *footer_notes])
    table.decimal = "." if delimiter == "," else None
    table.hint = _hint(columns) if delimiter == "," and header is None else ""
    return table


def _records(body: str, delimiter: str | None) -> list[Record]:
    if delimiter == " ":
        body = re.sub(r"[ \t]+", " ", re.sub(r"(?m)^[ \t]+|[ \t]+$", "", body))
    lines = io.StringIO(body, newline="")
    reader = csv.reader(lines, delimiter=delimiter or "\x1f", strict=True, skipinitialspace=delimiter != " ")
    try:
        return list(reader)
    except csv.Error as error:
        raise invalid(f"The CSV cannot be read near line {reader.line_num:,}: {error}.") from None


def kind_of(cell: str) -> str:
    """Tell what a cell looks like: `date` (or time of day), `number`, `nothing` or `text`."""
    shape = cell.strip().translate(_DIGITS)
    if shape.lower() in MISSING:
        return "nothing"
    if (layout_of(shape) and not shape.isdecimal()) or is_time_of_day(shape):
        return "date"
    return "number" if shape_of(shape) else "text"


def _kinds(records: Sequence[Record], width: int) -> list[str]:
    """Return what most cells of each column look like, judged by rows from the whole file."""
    rows = [record for record in records if len(record) == width]
    sample = rows[:: max(len(rows) // SAMPLE_ROWS, 1)]
    kinds = []
    for cells in zip(*sample, strict=True):
        counts = Counter(kind_of(cell) for cell in cells)
        del counts["nothing"]
        kinds.append(counts.most_common(1)[0][0] if counts else "nothing")
    return kinds


@dataclass
class _Sheet:
    """All records, with the width and the kinds of cells that most have."""

    records: list[Record]
    width: int
    kinds: list[str]
    text: Text

    def start(self) -> int:
        """Return the index of the first record that looks like the others."""
        found = (index for index, record in enumerate(self.records) if self._is_data(record))
        if (start := next(found, None)) is not None:
            return start
        return (
            next((index for index, record in enumerate(self.records) if any(record)), -1) + 1
        )  # only a header is left

    def _is_data(self, record: Record) -> bool:
        if len(record) != self.width or _is_header_of_pandas(record):
            return False
        found = [kind_of(cell) for cell in record]
        if "date" in self.kinds:
            return any(kind == "date" for kind, usual in zip(found, self.kinds, strict=True) if usual == "date")
        numbers = [kind for kind, usual in zip(found, self.kinds, strict=True) if usual == "number"]
        if not numbers:
            return False
        has_long_number = any(kind == "number" and len(cell) >= 9 for kind, cell in zip(found, record, strict=True))
        return numbers.count("number") > numbers.count("text") or has_long_number

    def header(self, start: int) -> tuple[Record | None, int, list[str]]:
        """Return the record with the names, the index of the first data record, and notes about skipped records."""
        before = [index for index in range(start) if any(self.records[index])]
        possible = [index for index in before if self._can_name(self.records[index])]
        known = [index for index in possible if any(map(_is_known, self.records[index]))]
        if not possible:
            return self._header_from_comment(start, before)
        *earlier, chosen = known or possible
        while earlier and self._has_units(self.records[chosen]):
            chosen = earlier.pop()
        after = [index for index in before if index > chosen]
        while after and self._has_units(self.records[after[0]]):
            after.pop(0)
        units = [index for index in before if chosen < index < (after[0] if after else start)]
        preamble = [index for index in before if index < chosen]
        notes = [f"skipped {counted(len(preamble), 'row')} before the header"] if preamble else []
        notes += [f"skipped the row of units below the header: {self._shown(index)}" for index in units]
        return self.records[chosen], after[0] if after else start, notes

    def _header_from_comment(self, start: int, before: list[int]) -> tuple[Record | None, int, list[str]]:
        suspicious = [index for index in before if len(self.records[index]) == self.width]
        first = suspicious[0] if suspicious else start
        others = [index for index in before if index < first]
        if others and len(self.records[others[-1]]) > 1 and others[-1] == first - 1:
            record = self.records[others[-1]]
            raise invalid(
                f"Row {others[-1] + 1:,} has {counted(len(record), 'cell')}, but most rows of {self.text.name} have "
                f"{self.width}: {self._shown(others[-1])}. {DECIMAL_COMMA if self.text.has_commas else ''}"
                "Use --skip-rows to skip rows before the header."
            )
        notes = [f"skipped {counted(len(others), 'row')} before the first row of data"] if others else []
        for comment in reversed(self.text.comments):
            cells = _records(comment.lstrip("#/ "), self.text.delimiter)[0] if comment.lstrip("#/ ") else []
            if len(cells) == self.width and self._can_name(cells) and any(map(_is_known, cells)):
                return cells, first, notes
        return None, first, notes

    def _can_name(self, record: Record) -> bool:
        """Check whether a record can hold the names of the columns."""
        if len(record) not in {self.width, self.width - 1, self.width + 1} or not any(record):
            return False
        if len(record) != self.width and not any(map(_is_known, record)):
            return False
        found = [kind_of(cell) for cell in record]
        if "date" in found or (self.width == 1 and found[0] != "text"):
            return False
        if "number" not in found:
            return True
        small = all(
            re.fullmatch(r"\s*\d{1,4}\s*", cell) for cell, kind in zip(record, found, strict=True) if kind == "number"
        )
        others = [cell for cell, kind in zip(record, found, strict=True) if kind != "number"]
        return small and (any(map(names.is_time, others)) or _is_header_of_pandas(record))

    def _has_units(self, record: Record) -> bool:
        if len(record) != self.width:
            return False
        for cell, usual in zip(record, self.kinds, strict=True):
            text = cell.strip().lower()
            if not text or re.fullmatch(r"[\[(].*[\])]", text):
                continue
            if usual == "date" and text not in _TIME_UNITS and not re.fullmatch(r"[ydmhsn:/. -]+", text):
                return False
            if len(text) > 12 or kind_of(cell) in {"number", "date"}:
                return False
        return True

    def end(self, start: int) -> tuple[int, list[str]]:
        """Return the index behind the last data record, and notes about skipped totals and footers."""
        end = len(self.records)
        notes: list[str] = []
        while end > start and not any(self.records[end - 1]):
            end -= 1
        for _ in range(MAX_FOOTER_ROWS):
            if end <= start + 1 or not (note := self._footer(end - 1, is_last=not notes)):
                break
            notes.append(note)
            end -= 1
            while end > start and not any(self.records[end - 1]):
                end -= 1
        return end, notes[::-1]

    def _footer(self, index: int, *, is_last: bool) -> str:
        """Return a note if the record is a total, a remark or cut off."""
        record = self.records[index]
        found = [kind_of(cell) for cell in record]
        if len(record) == self.width and self.width > 1:
            is_total = "date" not in found and any(cell.strip(" :").lower() in names.TOTALS for cell in record)
            return f"skipped the total in row {index + 1:,}: {self._shown(index)}" if is_total else ""
        if len(record) >= self.width and self.width > 1:
            return ""
        if is_last and not self.text.ends_with_newline and len(record) < self.width:
            return f"skipped row {index + 1:,}, which is cut off: {self._shown(index)}"
        if set(found) == {"text"} and not re.match(r"\d{2}", record[0].strip()) and (self.width > 1 or len(record) > 1):
            return f"skipped row {index + 1:,} below the data: {self._shown(index)}"
        return ""

    def body(self, start: int, end: int, header: Record | None) -> tuple[Sequence[int], list[Record], list[str]]:
        """Return row numbers and records of the data, and notes about skipped records."""
        body = self.records[start:end]
        rows: Sequence[int] = range(start + 1, end + 1)
        notes = []
        if header in body or not all(map(any, body)):
            repeated = body.count(header) if header else 0
            empty = sum(len(record) > 1 and not any(record) for record in body)
            notes += [f"skipped {counted(repeated, 'repeated header')}"] if repeated else []
            notes += [f"skipped {counted(empty, 'empty row')}"] if empty else []
            kept = [index for index, record in enumerate(body) if record != header and any(record)]
            rows = [rows[index] for index in kept]
            body = [body[index] for index in kept]
        if set(map(len, body)) - {self.width}:
            body = [self._of_width(row, record) for row, record in zip(rows, body, strict=True)]
        if not body:
            raise invalid(f"{self.text.name} contains no points.")
        return rows, body, notes

    def _of_width(self, row: int, record: Record) -> Record:
        if len(record) > self.width and not any(record[self.width :]):
            return record[: self.width]
        if len(record) == self.width:
            return record
        raise invalid(
            f"Row {row:,} has {counted(len(record), 'cell')}, but most rows have {self.width}: {self._shown(row - 1)}. "
            f"{DECIMAL_COMMA if self.text.has_commas else ''}"
        )

    def _shown(self, index: int) -> str:
        return quoted((self.text.delimiter or " ").join(self.records[index]))


DECIMAL_COMMA = "If numbers have a decimal comma, separate the cells by semicolons or quote the numbers. "


def _is_header_of_pandas(record: Record) -> bool:
    """Check for an index without a name and columns that are numbered from 0."""
    numbers = [cell for cell in record if cell.isdecimal()]
    return bool(numbers) and "" in record and numbers == [str(index) for index in range(len(numbers))]


def _is_known(cell: str) -> bool:
    return names.is_time(cell) or names.is_value(cell)


def _column_names(header: Record | None, body: list[Record], width: int, text: Text) -> list[str]:
    if header is None:
        return [f"column {number + 1}" for number in range(width)]
    stripped = [cell.strip().removeprefix("#").strip() for cell in header]
    if len(header) == width:
        return stripped
    if len(header) == width - 1 and not any(record[-1].strip() for record in body):
        return [*stripped, ""]
    if len(header) == width + 1 and not stripped[-1]:
        return stripped[:-1]
    if len(header) == width - 1 and all(record[0].strip() == str(index) for index, record in enumerate(body, 1)):
        return ["", *stripped]  # R leaves the column of row names without a name
    raise invalid(
        f"The header of {text.name} has {counted(len(header), 'cell')}, but its rows have {width}. "
        f"{DECIMAL_COMMA if text.has_commas else ''}"
    )


def _hint(columns: Sequence[Column]) -> str:
    """Return advice if two neighboring columns can be the two halves of a number with a decimal comma."""
    for left, right in pairwise(columns):
        if all(re.fullmatch(r"[-+]?0+", shape) for shape in left.first_of) and all(map(str.isdecimal, right.first_of)):
            example = f"{left.cells[0]},{right.cells[0]}"
            return f"If {example} is one number with a decimal comma, separate the cells by semicolons or quote it. "
    return ""
