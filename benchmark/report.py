"""The table of a run, its JSON, and a page with a chart."""

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmark.comparing import Figure

RESULTS = Path(__file__).resolve().parent / "results"
COLOURS = {"stretch": "green", "met": "green", "undecided": "yellow", "missed": "red"}


def show(figures: Sequence[Figure]) -> None:
    """Print the table."""
    table = Table(title="Beside what the framework itself can do", title_justify="left")
    for name in ("work", "ours", "ceiling", "unit", "median", "spread", "target", "verdict"):
        table.add_column(name, justify="left" if name in ("work", "unit", "verdict") else "right")
    for figure in figures:
        target = figure.target
        stretch = "" if target.stretch is None else f" ({target.stretch:g})"
        table.add_row(
            figure.work,
            f"{figure.ours:,.4g}" if figure.ours < 1000 else f"{figure.ours:,.0f}",
            ""
            if figure.theirs is None
            else f"{figure.theirs:,.0f}"
            if figure.theirs > 1000
            else f"{figure.theirs:,.4g}",
            figure.unit,
            readable(figure.median),
            f"{readable(min(figure.values))}…{readable(max(figure.values))}",
            f"{target.sense} {target.limit:g}{stretch}",
            f"[{COLOURS[figure.verdict]}]{figure.verdict}[/]",
        )
    Console(width=150).print(table)


def readable(number: float) -> str:
    """Three digits, or all of a whole number."""
    return f"{number:,.0f}" if number >= 1000 else f"{number:.3g}"


def write(figures: Sequence[Figure]) -> Path:
    """Write `results/bench.json` and `results/bench.html`; return the page."""
    RESULTS.mkdir(exist_ok=True)
    facts = machine()
    document = {"machine": facts, "figures": [figure.as_json() for figure in figures]}
    (RESULTS / "bench.json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    page = RESULTS / "bench.html"
    page.write_text(chart(figures, facts).to_html(include_plotlyjs="directory", full_html=True))
    return page


def chart(figures: Sequence[Figure], facts: dict[str, Any]) -> Any:
    """How far each figure is on the right side of its limit: 1 is the limit."""
    from plotly import graph_objects as go  # noqa: PLC0415 - the table needs none

    margins = [figure.median / figure.target.limit for figure in figures]
    margins = [
        margin if figure.target.sense == "≥" else 1 / margin for figure, margin in zip(figures, margins, strict=True)
    ]
    bars = go.Bar(
        x=margins,
        y=[figure.work for figure in figures],
        orientation="h",
        marker_color=["#2f7d4f" if margin >= 1 else "#b8402c" for margin in margins],
        text=[f"{figure.median:.3g}" for figure in figures],
    )
    layout = go.Layout(
        title=f"Times better than the limit · {facts['cpu']}, {facts['cores']} cores · {facts['at']}",
        xaxis={"type": "log", "title": "1 = the limit"},
        yaxis={"autorange": "reversed"},
        height=120 + 32 * len(figures),
        margin={"l": 420},
    )
    figure = go.Figure([bars], layout)
    figure.add_vline(x=1, line_dash="dot")
    return figure


def machine() -> dict[str, Any]:
    """Where and when it ran."""
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
