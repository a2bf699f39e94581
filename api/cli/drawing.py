"""Charts drawn with characters."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from rich.text import Text

from api.cli.output import escaped, utc_time
from shared.domain.series import Values

HEIGHT = 15  # rows, each of four dots
AXIS_WIDTH = 12  # columns
BRAILLE = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])  # dots of U+2800 by row and column


@dataclass(frozen=True)
class Extremes:
    """Lowest and highest value of each column (columns,)."""

    lows: Values
    highs: Values


def draw(
    timestamps: Sequence[int], values: Sequence[float], learned: Mapping[str, object], width: int | None = None
) -> Text:
    """Draw the values over time, above the properties that a detector learned.

    Each column of dots spans its lowest to its highest value. `width` defaults to the width of the terminal.
    """
    width = max(10, (width or shutil.get_terminal_size().columns) - AXIS_WIDTH - 1)
    extremes = _extremes(np.asarray(timestamps), np.asarray(values, dtype=np.float64), 2 * width)
    bottom = np.nanmin(extremes.lows)
    top = np.nanmax(extremes.highs)
    rows = 4 * HEIGHT
    scale = (rows - 1) / ((top - bottom) or 1.0)
    cells = np.full((HEIGHT, width), 0x2800)
    for column in np.flatnonzero(~np.isnan(extremes.lows)):
        first = rows - 1 - int((extremes.highs[column] - bottom) * scale)
        last = rows - 1 - int((extremes.lows[column] - bottom) * scale)
        for row in range(first, last + 1):
            cells[row // 4, column // 2] |= BRAILLE[row % 4, column % 2]
    labels = {0: top, HEIGHT // 2: (top + bottom) / 2, HEIGHT - 1: bottom}
    chart = Text()
    for row, line in enumerate(cells):
        axis = f"{labels[row]:>{AXIS_WIDTH - 2}.5g} ┤" if row in labels else " " * (AXIS_WIDTH - 1) + "│"
        chart.append(axis, style="dim")
        chart.append("".join(map(chr, line)) + "\n", style="cyan")
    start = utc_time(int(timestamps[0]))
    end = utc_time(int(timestamps[-1]))
    chart.append(" " * AXIS_WIDTH + start + end.rjust(max(len(end) + 1, width - len(start))) + "\n", style="dim")
    chart.append(" " * AXIS_WIDTH + escaped(", ".join(f"{name} {_short(value)}" for name, value in learned.items())))
    return chart


def sparkline(values: list[float] | None, width: int = 20) -> str:
    """Draw at most `width` of the values as bars; return an empty string if there are none."""
    if not values:
        return ""
    bars = "▁▂▃▄▅▆▇█"
    step = max(1, len(values) // width)
    low, high = min(values), max(values)
    return "".join(bars[round((value - low) / ((high - low) or 1.0) * 7)] for value in values[::step][:width])


def _extremes(timestamps: "np.ndarray[tuple[int], np.dtype[np.int64]]", values: Values, columns: int) -> Extremes:
    """Reduce the values to the extremes of each column; NaN in a column without points."""
    span = max(1, int(timestamps[-1] - timestamps[0]))
    column = (timestamps - timestamps[0]) * (columns - 1) // span
    lows = np.full(columns, np.inf)
    highs = np.full(columns, -np.inf)
    np.minimum.at(lows, column, values)
    np.maximum.at(highs, column, values)
    return Extremes(np.where(np.isinf(lows), np.nan, lows), np.where(np.isinf(highs), np.nan, highs))


def _short(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, int | float) else str(value)
