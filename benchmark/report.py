"""Results of a run: a table, a JSON file, and a page with charts."""

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from plotly import graph_objects as go
from plotly.offline import get_plotlyjs
from rich.console import Console
from rich.table import Table

from benchmark.comparing import AT_LEAST, Figure

RESULTS = Path(__file__).resolve().parent / "results"
COLORS = {"stretch": "green", "met": "green", "undecided": "yellow", "missed": "red"}


def show(figures: Sequence[Figure]) -> None:
    """Print a table of the figures, and facts about the machine."""
    table = Table(title="Service versus bare framework", title_justify="left")
    for name in ("work", "ours", "ceiling", "unit", "median", "spread", "target", "stretch", "verdict"):
        table.add_column(name, justify="left" if name in ("work", "unit", "verdict") else "right")
    for figure in figures:
        target = figure.target
        table.add_row(
            figure.work,
            f"{figure.ours:,.4g}" if figure.ours < 1000 else f"{figure.ours:,.0f}",
            _ceiling(figure.theirs),
            figure.unit,
            readable(figure.median),
            f"{readable(min(figure.values))}…{readable(max(figure.values))}",
            f"{target.sense} {target.limit:g}",
            "" if target.stretch is None else f"{target.sense} {target.stretch:g}",
            f"[{COLORS[figure.verdict]}]{figure.verdict}[/]",
        )
    console = Console(width=160)
    console.print(table)
    console.print(", ".join(f"{name} {fact}" for name, fact in machine().items()))


def _ceiling(number: float | None) -> str:
    if number is None:
        return ""
    return f"{number:,.0f}" if number > 1000 else f"{number:,.4g}"


def readable(number: float) -> str:
    """Format a number with three digits, or as a whole number from 1,000."""
    return f"{number:,.0f}" if number >= 1000 else f"{number:.3g}"


def write(figures: Sequence[Figure], folder: Path = RESULTS, *, is_whole: bool = True) -> Path:
    """Write `bench.json` and `bench.html` into the folder; return the path of the page.

    If the run is not the whole benchmark, its figures replace those with the same names, and all others stay.
    """
    folder.mkdir(exist_ok=True)
    file, page = folder / "bench.json", folder / "bench.html"
    facts, documents = machine(), [figure.as_json() for figure in figures]
    if not is_whole and file.exists():
        earlier = json.loads(file.read_text())
        run = {name: facts[name] for name in ("at", "commit")}
        measured = {document["work"]: document | {"run": run} for document in documents}
        kept = [measured.pop(document["work"], document) for document in earlier["figures"]]
        facts, documents = earlier["machine"], [*kept, *measured.values()]
        figures = [Figure.of(document) for document in documents]
    document = {"machine": facts, "figures": documents}
    file.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    margins, spread = (chart.to_html(full_html=False, include_plotlyjs=False) for chart in charts(figures, facts))
    script = get_plotlyjs()
    page.write_text(
        f"<!doctype html><meta charset=utf-8><title>Speed</title><script>{script}</script>{margins}{spread}"
    )
    return page


def charts(figures: Sequence[Figure], facts: dict[str, Any]) -> tuple[go.Figure, go.Figure]:
    """Chart the factor by which each figure beats its limit: the medians, and all measurements.

    A figure of 0, or with a limit of 0, such as a number of faults, has no such factor.
    """
    figures = [figure for figure in figures if figure.target.limit and all(figure.values)]
    work = [figure.work for figure in figures]
    medians = [better_by(figure, figure.median) for figure in figures]
    margins = go.Figure(
        go.Bar(
            x=medians,
            y=work,
            orientation="h",
            marker_color=["#2f7d4f" if margin >= 1 else "#b8402c" for margin in medians],
            text=[readable(figure.median) for figure in figures],
        )
    )
    spread = go.Figure(
        [
            go.Box(x=[better_by(figure, value) for value in figure.values], name=figure.work, boxpoints="all")
            for figure in figures
        ]
    )
    machine_facts = f"{facts['cpu']}, {facts['cores']} cores · {facts['at']}"
    for chart, title in (
        (margins, "Factor better than the limit, median"),
        (spread, "Factor better than the limit, each measurement"),
    ):
        chart.update_layout(
            title=f"{title} · {machine_facts}",
            xaxis={"type": "log", "title": "1 = the limit"},
            yaxis={"autorange": "reversed"},
            height=120 + 32 * len(figures),
            margin={"l": 420},
            showlegend=False,
        )
        chart.add_vline(x=1, line_dash="dot")
    return margins, spread


def better_by(figure: Figure, value: float) -> float:
    """Return the factor by which a value beats the limit of its figure."""
    return value / figure.target.limit if figure.target.sense == AT_LEAST else figure.target.limit / value


def machine() -> dict[str, Any]:
    """Return time, processor, software and commit of the run."""
    cpu = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.processor(),
    )
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": cpu,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": platform.platform(),
        "commit": subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
        ).stdout.strip(),
    }


def _lines(path: str) -> list[str]:
    file = Path(path)
    return file.read_text().splitlines() if file.exists() else []
