"""Output of commands: results on standard output, for people or as JSON, and notes on standard error."""

import json
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any, TypeVar

import msgspec
import typer
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from shared.errors import Code, InputError

Row = TypeVar("Row")

CONSOLE_WIDTH = 10_000  # a terminal wraps long lines itself; other programs receive them uncut
STYLES = {
    "succeeded": "green",
    "failed": "red",
    "cancelled": "yellow",
    "running": "cyan",
    "anomaly": "bold red",
    "normal": "green",
    "not judged": "yellow",
    "ok": "green",
    "warning": "yellow",
}


def notes_console() -> Console:
    """Return a new console on every call, because standard error may have been replaced."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def note(*sentences: str) -> None:
    """Print sentences that are not part of the result, one per line."""
    for sentence in sentences:
        notes_console().print(Text(escaped(sentence)))


def confirm(question: str) -> None:
    """Ask a question, and end the command unless the answer is yes; raise `InputError` if nobody can answer."""
    if sys.stdin is None:
        raise InputError(Code.INVALID_REQUEST, "Standard input is closed, so nobody can confirm: add --yes.")
    typer.confirm(question, abort=True, err=True)


def flush() -> None:
    """Flush standard output: it may be a pipe whose reader acts on each line."""
    if sys.stdout:
        sys.stdout.flush()


def show_json(result: object) -> None:
    """Print a result as one line of JSON, with escapes where standard output cannot show every character."""
    encoding = getattr(sys.stdout, "encoding", None) or ""
    print(json.dumps(result, ensure_ascii=not encoding.lower().startswith("utf")))


def show(result: RenderableType) -> None:
    """Print a result for people."""
    Console(highlight=False, soft_wrap=True, width=CONSOLE_WIDTH).print(result)


def show_fields(result: object, fields: Mapping[str, object], *, as_json: bool) -> None:
    """Print a result as one line of JSON, or the `fields` that are not None, one per line."""
    if as_json:
        show_json(result)
        return
    width = max(map(len, fields), default=0)
    for name, value in fields.items():
        if value is not None:
            show(Text.assemble((name.ljust(width + 2), "bold"), cell(value)))


def show_page(
    rows: Iterator[Row],
    columns: Mapping[str, Callable[[Row], object]],
    limit: int,
    total: Callable[[], int | None] = lambda: None,
    *,
    as_json: bool,
) -> None:
    """Print at most `limit` of the rows, and report if there are more; `total` counts all of them, if it can."""
    shown = list(islice(rows, limit))
    show_list(shown, columns, as_json=as_json)
    if next(rows, None) is not None:
        count = total()
        note(f"{len(shown):,}{f' of {count:,}' if count else ''} shown, --limit for more.")


def show_list(rows: Iterable[Row], columns: Mapping[str, Callable[[Row], object]], *, as_json: bool) -> None:
    """Print each row as a line of JSON, or all rows as a table; `columns` extract the cells of a row.

    Prints nothing until the last row has arrived.
    """
    all_rows = list(rows)
    if as_json:
        for row in all_rows:
            show_json(msgspec.to_builtins(row))
    else:
        show(table(columns, ([extract(row) for extract in columns.values()] for row in all_rows)))


def table(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> Table:
    """Return aligned rows below a header, without a frame so that other programs can split them."""
    result = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        result.add_column(column, no_wrap=True)
    for row in rows:
        result.add_row(*(cell(value) for value in row))
    return result


def cell(value: Any) -> Text:
    """Return the text of a value, with the words in `STYLES` colored."""
    if value is None:
        return Text("-", style="dim")
    if isinstance(value, float):
        return Text(f"{value:.6g}")
    if isinstance(value, dict | list):
        return Text(escaped(json.dumps(value, ensure_ascii=False)))
    return Text(escaped(str(value)), style=STYLES.get(str(value), ""))


def utc_time(timestamp: int) -> str:
    """Format a point's timestamp as date and time in UTC."""
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def to_the_second(api_time: str) -> str:
    """Remove the microseconds from a UTC time of the API."""
    return api_time[: len("2026-01-31T12:00:00")] + "Z"


def escaped(text: str) -> str:
    """Escape control characters: other people's data must not move the terminal's cursor."""
    return "".join(
        character if unicodedata.category(character) not in ("Cc", "Cf", "Cs") else ascii(character)[1:-1]
        for character in text
    )
