"""Read points from a file, or from standard input."""

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from api.cli.files.choices import NOTHING_STATED, Choices
from api.cli.files.content import PARQUET, decode, load, name_of
from api.cli.files.delimited import parse_delimited
from api.cli.files.delimiters import delimiter_of
from api.cli.files.forms import parse_json
from api.cli.files.parquet import parse_parquet
from api.cli.files.points import Points, clean
from api.cli.files.preparing import Text, prepare
from api.cli.files.roles import Roles, assign
from api.cli.files.table import Table, invalid

MAX_NAMED = 12


def read(source: str, choices: Choices = NOTHING_STATED, *, series: str = "") -> Points:
    """Read the points of one series from a file, or from standard input for `-`; raise `InputError` if that fails.

    With `choices.series_column`, these are the rows that have `series` in that column.
    """
    found = read_series(source, choices)
    if choices.series_column and series not in found:
        names = ", ".join(map(repr, list(found)[:MAX_NAMED]))
        raise invalid(
            f"No row of {name_of(source)} has {series!r} in column {choices.series_column!r}, which has {names}. "
            "`tsad fit-many` with --series-column fits all of them."
        )
    return found[series if choices.series_column else ""]


def read_series(source: str, choices: Choices) -> dict[str, Points]:
    """Read the points of each series by its name in `choices.series`; without it, of one series named ""."""
    with _without_collector():
        table, roles = _resolved(source, choices)
        timestamps = np.arange(len(table)) if roles.times is None else roles.times.seconds
        is_naive = roles.times is not None and roles.times.naive
        notes = [*table.notes, *roles.notes]
        rows = np.asarray(table.rows)
        parts = {"": np.arange(len(table))} if roles.series is None else _positions(roles.series.cells)
        return {
            name: clean(timestamps[at], roles.values[at], rows[at], choices.doubled, is_naive=is_naive, notes=notes)
            for name, at in parts.items()
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
    labels, inverse = np.unique(np.asarray(cells, dtype=object).astype(str), return_inverse=True)
    return {str(label): np.flatnonzero(inverse == index) for index, label in enumerate(labels)}


def _resolved(source: str, choices: Choices) -> tuple[Table, Roles]:
    content = load(source)
    name = name_of(source)
    if content.startswith(PARQUET):
        table = parse_parquet(content, name)
        return table, _assigned(table, choices, name)
    text, notes = decode(content, choices.encoding, source)
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
