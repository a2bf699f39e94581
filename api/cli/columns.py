"""Read the columns of a CSV, NDJSON, JSON or Parquet file, gzipped or not, and detect the format from its content."""

import csv
import gzip
import io
import json
import sys
from pathlib import Path

import numpy as np

from api.cli.times import is_number
from shared.errors import Code, InputError

STDIN = "-"

Columns = dict[str, list[str]]  # cells by column name


def read_columns(source: str) -> Columns:
    """Read the cells of a file, or of standard input for `-`; raise `InputError` if it is not a table."""
    content = _content(source)
    if content[:4] == b"PAR1":
        return _parse_parquet(content)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(Code.INVALID_FILE, f"{name_of(source)} is neither UTF-8 text nor Parquet.") from None
    return _parse_json(text, source) if text.lstrip()[:1] == "{" else _parse_csv(text)


def _content(source: str) -> bytes:
    try:
        content = sys.stdin.buffer.read() if source == STDIN else Path(source).read_bytes()
        return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    except (OSError, EOFError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(Code.INVALID_FILE, f"{name_of(source)} cannot be read: {reason}.") from None


def _parse_parquet(content: bytes) -> Columns:
    try:
        from pyarrow import ArrowException, parquet, timestamp, types  # noqa: PLC0415 - an optional dependency
    except ImportError:
        raise InputError(
            Code.INVALID_FILE, "Reading Parquet requires pyarrow: install tsad with the extra `parquet`."
        ) from None
    try:
        table = parquet.read_table(io.BytesIO(content))
        columns = {
            name: column.cast(timestamp("us", column.type.tz), safe=False)  # the resolution of Python's datetime
            if types.is_timestamp(column.type)
            else column
            for name, column in zip(table.column_names, table.columns, strict=True)
        }
        return {name: [_cell(value) for value in column.to_pylist()] for name, column in columns.items()}
    except (ArrowException, ValueError) as error:
        raise InputError(Code.INVALID_FILE, f"The Parquet file cannot be read: {error}") from None


def _parse_json(text: str, source: str) -> Columns:
    """Parse one object of columns, or one object per line with a cell for each column."""
    try:
        rows = [json.loads(line) for line in text.splitlines() if line.strip()]
    except (ValueError, RecursionError):
        try:
            rows = [json.loads(text)]  # one object over several lines
        except (ValueError, RecursionError) as error:
            raise InputError(
                Code.INVALID_FILE, f"{name_of(source)} is neither a JSON object nor one object per line: {error}"
            ) from None
    if len(rows) == 1 and isinstance(rows[0], dict) and all(isinstance(value, list) for value in rows[0].values()):
        return {name: [_cell(value) for value in column] for name, column in rows[0].items()}
    for index, row in enumerate(rows):
        if not isinstance(row, dict):
            raise InputError(Code.INVALID_FILE, f"Line {index + 1} of {name_of(source)} is not a JSON object.")
    names = list(dict.fromkeys(name for row in rows for name in row))
    return {name: [_cell(row.get(name)) for row in rows] for name in names}


def _parse_csv(text: str) -> Columns:
    first_line = text.lstrip().partition("\n")[0]
    delimiter = max(",;\t|", key=first_line.count)
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if any(row)]
    except csv.Error as error:
        raise InputError(Code.INVALID_FILE, f"The CSV cannot be read: {error}.") from None
    if not rows:
        return {}
    has_names = not any(is_number(cell) for cell in rows[0])
    names = [cell.strip() for cell in rows[0]] if has_names else [f"column {n + 1}" for n in range(len(rows[0]))]
    body = rows[1:] if has_names else rows
    for index, row in enumerate(body):
        if len(row) != len(names):
            line = index + 1 + has_names
            raise InputError(Code.INVALID_FILE, f"Row {line} has {len(row)} cells, but row 1 has {len(names)}.")
    return {name: [row[index].strip() for row in body] for index, name in enumerate(names)}


def _cell(value: object) -> str:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def name_of(source: str) -> str:
    """Return the name of the source for messages."""
    return "Standard input" if source == STDIN else source
