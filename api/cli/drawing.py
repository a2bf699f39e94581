"""A chart of characters."""

import shutil
from collections.abc import Mapping, Sequence

import numpy as np
from rich.text import Text

from api.cli.output import moment, plain
from shared.domain.series import Values

HEIGHT = 15  # rows, each of four dots
LEFT = 12  # columns for the axis
BRAILLE = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])  # dots of U+2800 by row and column


def draw(
    timestamps: Sequence[int], values: Sequence[float], learnt: Mapping[str, object], width: int | None = None
) -> Text:
    """The values over time, from the lowest to the highest of each column of dots; below it what was learnt."""
    width = max(10, (width or shutil.get_terminal_size().columns) - LEFT - 1)
    lows, highs = _extremes(np.asarray(timestamps), np.asarray(values, dtype=np.float64), 2 * width)
    bottom, top = np.nanmin(lows), np.nanmax(highs)
    rows = 4 * HEIGHT
    scale = (rows - 1) / ((top - bottom) or 1.0)
    cells = np.full((HEIGHT, width), 0x2800)
    for column in np.flatnonzero(~np.isnan(lows)):
        first = rows - 1 - int((highs[column] - bottom) * scale)
        last = rows - 1 - int((lows[column] - bottom) * scale)
        for row in range(first, last + 1):
            cells[row // 4, column // 2] |= BRAILLE[row % 4, column % 2]
    labels = {0: top, HEIGHT // 2: (top + bottom) / 2, HEIGHT - 1: bottom}
    drawn = Text()
    for row, line in enumerate(cells):
        drawn.append(f"{labels[row]:>{LEFT - 2}.5g} ┤" if row in labels else " " * (LEFT - 1) + "│", style="dim")
        drawn.append("".join(map(chr, line)) + "\n", style="cyan")
    begin, end = moment(int(timestamps[0])), moment(int(timestamps[-1]))
    drawn.append(" " * LEFT + begin + end.rjust(max(len(end) + 1, width - len(begin))) + "\n", style="dim")
    drawn.append(" " * LEFT + plain(", ".join(f"{name} {_short(value)}" for name, value in learnt.items())))
    return drawn


def _extremes(
    timestamps: "np.ndarray[tuple[int], np.dtype[np.int64]]", values: Values, columns: int
) -> tuple[Values, Values]:
    """Lowest and highest value of each column (columns,); NaN where no point lies."""
    span = max(1, int(timestamps[-1] - timestamps[0]))
    place = (timestamps - timestamps[0]) * (columns - 1) // span
    lows, highs = np.full(columns, np.inf), np.full(columns, -np.inf)
    np.minimum.at(lows, place, values)
    np.maximum.at(highs, place, values)
    return np.where(np.isinf(lows), np.nan, lows), np.where(np.isinf(highs), np.nan, highs)


def _short(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, int | float) else str(value)
