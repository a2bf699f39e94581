"""Output of commands: answers on standard output, for people or as JSON, and notes on standard error."""

import json
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

Row = TypeVar("Row")

WIDEST = 10_000  # columns: a terminal wraps long lines itself, and nothing is cut off for other programs
STYLES = {
    "succeeded": "green",
    "failed": "red",
    "cancelled": "yellow",
    "running": "cyan",
    "anomaly": "bold red",
    "normal": "green",
    "ok": "green",
    "warning": "yellow",
}


def notes_console() -> Console:
    """Return a console on standard error, made anew because standard error may be replaced."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def note(*sentences: str) -> None:
    """Print sentences that are not part of the answer, each on a line."""
    for sentence in sentences:
        notes_console().print(Text(plain(sentence)))


def show_json(answer: object) -> None:
    """Print an answer as a line of JSON."""
    print(json.dumps(answer, ensure_ascii=False))


def show(answer: RenderableType) -> None:
    """Print an answer for people."""
    Console(highlight=False, soft_wrap=True, width=WIDEST).print(answer)


def show_facts(answer: object, facts: Mapping[str, object], *, as_json: bool) -> None:
    """Print an answer as a line of JSON, or what people need of it by name; None is left out."""
    if as_json:
        show_json(answer)
        return
    result = Table(box=None, pad_edge=False, show_header=False)
    result.add_column(style="bold", no_wrap=True)
    result.add_column()
    for name, value in facts.items():
        if value is not None:
            result.add_row(name, cell(value))
    show(result)


def show_list(rows: Iterable[Row], columns: Mapping[str, Callable[[Row], object]], *, as_json: bool) -> None:
    """Print each row as a line of JSON, or all as a table with the cells that `columns` take from a row.

    Nothing is printed before the last row has arrived.
    """
    listed = list(rows)
    if as_json:
        for row in listed:
            show_json(msgspec.to_builtins(row))
    else:
        show(table(columns, ([cell_of(row) for cell_of in columns.values()] for row in listed)))


def table(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> Table:
    """Aligned rows below the names of their columns, without a frame so that other programs can split them."""
    result = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        result.add_column(column, no_wrap=True)
    for row in rows:
        result.add_row(*(cell(value) for value in row))
    return result


def cell(value: Any) -> Text:
    """Text of a value for people; known words in their color."""
    if value is None:
        return Text("-", style="dim")
    if isinstance(value, float):
        return Text(f"{value:.6g}")
    if isinstance(value, dict | list):
        return Text(plain(json.dumps(value, ensure_ascii=False)))
    return Text(plain(str(value)), style=STYLES.get(str(value), ""))


def moment(timestamp: int) -> str:
    """Date and time of a point's timestamp, in UTC."""
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def to_the_second(created_at: str) -> str:
    """Date and time of the API, which has microseconds and is in UTC, without fractions of a second."""
    return created_at[: len("2026-01-31T12:00:00")] + "Z"


def plain(text: str) -> str:
    """Text with control characters written out: data of others must not move the cursor of a terminal."""
    return "".join(
        character if unicodedata.category(character) not in ("Cc", "Cf", "Cs") else ascii(character)[1:-1]
        for character in text
    )
