"""Read points from a file, or from standard input."""

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from api.cli.files.choices import NOTHING_STATED, Choices
from api.cli.files.content import PARQUET, decode, load, name_of
from api.cli.files.delimited import parse_delimited
from api.cli.files.forms import parse_json
from api.cli.files.parquet import parse_parquet
from api.cli.files.points import Points, clean
from api.cli.files.preparing import DELIMITERS, Text, prepare
from api.cli.files.roles import Roles, assign
from api.cli.files.table import Table, invalid
from shared.errors import InputError

SAMPLE_CHARACTERS = 100_000
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


def delimiter_of(text: Text, choices: Choices) -> str | None:
    """Return the only delimiter that gives points; the most likely one if none does, to report what is wrong."""
    sample, ends = text.body, text.ends_with_newline
    if len(sample) > SAMPLE_CHARACTERS:
        end = sample.rfind("\n", 0, SAMPLE_CHARACTERS) + 1
        sample, ends = sample[: end or None], True
    found: dict[str, tuple[Table, Roles]] = {}
    problems: set[str] = set()
    may_separate = [mark for mark in DELIMITERS if mark in sample]
    if choices.decimal == "," and '"' not in sample and "," in may_separate:
        may_separate.remove(",")
    for delimiter in may_separate:
        if delimiter == " " and found:
            continue  # dates contain spaces
        part = Text(sample, text.name, delimiter, text.comments, ends_with_newline=ends, has_commas=delimiter == ",")
        try:
            table = parse_delimited(part, delimiter)
            found[delimiter] = table, assign(table, choices)
        except InputError:
            problems.add(delimiter)
    if len(found) > 1:
        _refuse_different_readings(text, found)
    if found:
        return next(iter(found))
    lines = [line for line in sample.split("\n") if line.strip()]
    common = [mark for mark in ";\t|," if mark in may_separate and sum(mark in line for line in lines) > len(lines) / 2]
    if " " in problems and not common and all(" " in line.strip() for line in lines):
        return " "
    return common[0] if common else None


def _refuse_different_readings(text: Text, found: dict[str, tuple[Table, Roles]]) -> None:
    (first, (_, roles)), *others = found.items()
    for other, (_, other_roles) in others:
        times = [None if one.times is None else one.times.seconds for one in (roles, other_roles)]
        is_same = np.array_equal(roles.values, other_roles.values, equal_nan=True) and np.array_equal(*times)  # type: ignore[arg-type]
        if not is_same:
            raise invalid(
                f"{text.name} can be read with {first!r} and with {other!r} between the cells. Choose with --delimiter."
            )
