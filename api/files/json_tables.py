"""Tables from values of JSON."""

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, TypeGuard, TypeVar

from api.files.table import Column, Table, invalid

Json = Any
Kind = TypeVar("Kind")


def from_columns(columns: Mapping[str, Sequence[Json]], notes: Iterable[str] = ()) -> Table:
    """Make a table from columns; raise `InputError` if they differ in length."""
    lengths = {len(cells) for cells in columns.values()}
    if len(lengths) > 1:
        sizes = ", ".join(f"{name!r} has {len(cells):,}" for name, cells in columns.items())
        raise invalid(f"The columns differ in length: {sizes} cells.")
    named = [Column(name, list(map(_cell, cells)), number) for number, (name, cells) in enumerate(columns.items(), 1)]
    return Table(named, range(1, 1 + (lengths.pop() if lengths else 0)), list(notes), decimal=".")


def from_records(records: Sequence[Mapping[str, Json]], notes: Iterable[str] = ()) -> Table:
    """Make a table from objects, with a column for each key; keys of nested objects are joined by dots."""
    if any(isinstance(value, dict) for record in records for value in record.values()):
        records = [_flat(record) for record in records]
    names = dict.fromkeys(chain.from_iterable(records))
    return from_columns({name: [record.get(name) for record in records] for name in names}, notes)


def from_rows(rows: Sequence[Sequence[Json]], names: Sequence[str] | None = None) -> Table:
    """Make a table from lists; raise `InputError` if they differ in length."""
    width = len(rows[0]) if rows else 0
    for index, row in enumerate(rows):
        if len(row) != width or (names is not None and len(names) != width):
            raise invalid(f"Record {index + 1:,} has {len(row)} cells, but {len(names or rows[0])} are expected.")
    columns = list(zip(*rows, strict=True))
    return from_columns(dict(zip(names or [f"column {number + 1}" for number in range(width)], columns, strict=True)))


def _cell(value: Json) -> str:
    if isinstance(value, str):
        return value.strip()
    if value is None:
        return ""
    return json.dumps(value) if isinstance(value, dict | list) else str(value)


def _flat(record: Mapping[str, Json], prefix: str = "") -> dict[str, Json]:
    cells: dict[str, Json] = {}
    for name, value in record.items():
        if isinstance(value, dict) and len(prefix) < 1000:
            cells |= _flat(value, f"{prefix}{name}.")
        else:
            cells[prefix + name] = value
    return cells


def is_list_of(value: Json, kind: type[Kind]) -> TypeGuard[list[Kind]]:
    """Check for a list, not empty, of values of one kind."""
    return isinstance(value, list) and bool(value) and all(isinstance(item, kind) for item in value)


def has_lists(record: Json) -> bool:
    """Check whether any value of an object is a list."""
    return any(isinstance(value, list) for value in record.values())
