"""What commands print: answers to standard output, for people or as JSON; everything else to standard error."""

import json
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

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


def notes() -> Console:
    """Where people are told what goes on: never part of an answer. Made anew, for standard error may be replaced."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def note(sentence: str) -> None:
    """Tell something beside the answer."""
    notes().print(Text(plain(sentence)))


def show_json(answer: object) -> None:
    """One answer as one line."""
    print(json.dumps(answer, ensure_ascii=False))


def show(what: RenderableType) -> None:
    """An answer for people."""
    Console(highlight=False, soft_wrap=True, width=WIDEST).print(what)


def table(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> Table:
    """Rows below the names of their columns, aligned, without a frame so that other programs can cut them apart."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column, no_wrap=True)
    for row in rows:
        made.add_row(*(cell(value) for value in row))
    return made


def facts(pairs: Mapping[str, object]) -> Table:
    """Names and what they stand for, one below the other; what is None is left out."""
    made = Table(box=None, pad_edge=False, show_header=False)
    made.add_column(style="bold", no_wrap=True)
    made.add_column()
    for name, value in pairs.items():
        if value is not None:
            made.add_row(name, cell(value))
    return made


def cell(value: Any) -> Text:
    """A value as people read it; known words in their colour."""
    if value is None:
        return Text("-", style="dim")
    if isinstance(value, float):
        return Text(f"{value:.6g}")
    if isinstance(value, dict | list):
        return Text(plain(json.dumps(value, ensure_ascii=False)))
    return Text(plain(str(value)), style=STYLES.get(str(value), ""))


def moment(timestamp: int) -> str:
    """A timestamp of a point, in UTC."""
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def plain(text: str) -> str:
    """The text with control characters written out: what others sent must not move the cursor of a terminal."""
    return "".join(
        character if unicodedata.category(character) not in ("Cc", "Cf", "Cs") else ascii(character)[1:-1]
        for character in text
    )
