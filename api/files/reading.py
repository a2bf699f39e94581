"""Read points from a file, from standard input, or from the bytes of a file."""

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from api.files.choices import NOTHING_STATED, Choices
from api.files.content import PARQUET, decode, load, name_of
from api.files.delimited import parse_delimited
from api.files.delimiters import delimiter_of
from api.files.forms import parse_json
from api.files.parquet import parse_parquet
from api.files.points import Points, clean
from api.files.preparing import Text, prepare
from api.files.roles import Roles, assign
from api.files.table import Table, invalid, too_big

MAX_NAMED = 12


def read(source: str, choices: Choices = NOTHING_STATED, *, series: str = "") -> Points:
    """Read the points of one series from a file, or from standard input for `-`; raise `InputError` if that fails."""
    return points_of(load(source), name_of(source), choices, series)


def read_series(source: str, choices: Choices) -> dict[str, Points]:
    """Read the points of each series of a file, or of standard input for `-`; raise `InputError` if that fails."""
    return series_of(load(source), name_of(source), choices)


def points_of(content: bytes, name: str, choices: Choices, series: str) -> Points:
    """Read the points of one series; raise `InputError` if that fails. name: of the content, for messages.

    With `choices.series_column`, these are the rows that have `series` in that column.
    """
    found = series_of(content, name, choices)
    if choices.series_column and series not in found:
        names = ", ".join(map(repr, list(found)[:MAX_NAMED]))
        raise invalid(
            f"No row of {name} has {series!r} in column {choices.series_column!r}, which has {names}. "
            "`tsad fit-many` with --series-column fits all of them."
        )
    return found[series if choices.series_column else ""]


def series_of(content: bytes, name: str, choices: Choices) -> dict[str, Points]:
    """Read the points of each series by its name in `choices.series_column`; without it, of one series named ""."""
    try:
        with _without_collector():
            return _series_of(content, name, choices)
    except MemoryError:
        raise too_big(name) from None


def _series_of(content: bytes, name: str, choices: Choices) -> dict[str, Points]:
    table, roles = _resolved(content, name, choices)
    timestamps = np.arange(len(table)) if roles.times is None else roles.times.seconds
    is_naive = roles.times is not None and roles.times.naive
    notes = [*table.notes, *roles.notes]
    rows = np.asarray(table.rows)
    parts = {"": np.arange(len(table))} if roles.series is None else _positions(roles.series.cells)
    return {
        label: clean(timestamps[at], roles.values[at], rows[at], choices.doubled, is_naive=is_naive, notes=notes)
        for label, at in parts.items()
    }


@contextmanager
def _without_collector() -> Iterator[None]:
    """Pause the cyclic garbage collector, which would take most of the time while a million lists are made."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _positions(cells: Sequence[str]) -> dict[str, NDArray[np.int64]]:
    """Return the indices of the rows of each label, in order."""
    labels, inverse, counts = np.unique(
        np.asarray(cells, dtype=object).astype(str), return_inverse=True, return_counts=True
    )
    parts = np.split(np.argsort(inverse, kind="stable"), np.cumsum(counts)[:-1])
    return {str(label): part for label, part in zip(labels, parts, strict=True)}


def _resolved(content: bytes, name: str, choices: Choices) -> tuple[Table, Roles]:
    if content.startswith(PARQUET):
        table = parse_parquet(content, name)
        return table, _assigned(table, choices, name)
    text, notes = decode(content, choices.encoding, name)
    if text.lstrip()[:1] in {"{", "["} and not text.lstrip().startswith("[s"):
        table = parse_json(text, name)
    else:
        table = _delimited(prepare(text, choices, name), choices)
    table.notes[:0] = notes
    return table, _assigned(table, choices, name)


def _assigned(table: Table, choices: Choices, name: str) -> Roles:
    if not table.columns or not len(table):
        raise invalid(f"{name} contains no points.")
    return assign(table, choices)


def _delimited(text: Text, choices: Choices) -> Table:
    """Parse text with the only delimiter under which it has a time and a value."""
    delimiter = text.delimiter or delimiter_of(text, choices)
    text.delimiter = delimiter
    text.has_commas = delimiter == ","
    table = parse_delimited(text, delimiter)
    table.notes[:0] = text.notes
    return table
