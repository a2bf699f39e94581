"""The plot area of a drawn chart: from times and values to pixels."""

from dataclasses import dataclass

import numpy as np

from api.charts.ticks import SMALLEST
from shared.domain.series import Flags, Timestamps, Values


@dataclass(frozen=True, slots=True)
class Frame:
    """The plot area in pixels, and the times and values at its edges."""

    left: float
    right: float
    top: float
    bottom: float
    first: int
    last: int
    low: float
    high: float

    def x(self, timestamps: Timestamps) -> Values:
        """Return pixels from the left (m,)."""
        share = (timestamps - self.first) / max(self.last - self.first, 1)
        return (self.left + share * (self.right - self.left)).round(1)

    def y(self, values: Values) -> Values:
        """Return pixels from the top (m,), clipped to the frame."""
        # halved first, because the difference may overflow
        share = (values / 2 - self.low / 2) / (self.high / 2 - self.low / 2)
        return (self.bottom - share.clip(0, 1) * (self.bottom - self.top)).round(1)


def value_range(values: Values, edges: tuple[Values, Values] | None) -> tuple[float, float]:
    """Return the range of the y axis: all values, and as much of the band as leaves them a third of the height.

    NaN values and edges do not count.
    """
    if np.isnan(values).all():
        return 0.0, 1.0
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    half_range = max(high / 2 - low / 2, 1e-9 * max(abs(low), abs(high)), SMALLEST)
    if edges is not None and not np.isnan(np.concatenate(edges)).all():
        low = min(low, max(float(np.nanmin(edges[0])), low - 2 * half_range))
        high = max(high, min(float(np.nanmax(edges[1])), high + 2 * half_range))
    return low - 0.1 * half_range, high + 0.1 * half_range


def path(frame: Frame, timestamps: Timestamps, values: Values, joined: Flags | None = None) -> str:
    """Return n points without NaN as an SVG path; with `joined` (n - 1,), only these of the lines between them."""
    x, y = frame.x(timestamps).tolist(), frame.y(values).tolist()
    if joined is None:
        return "M" + "L".join(f"{place} {height}" for place, height in zip(x, y, strict=True))
    starts = np.flatnonzero(joined & ~np.concatenate(([False], joined[:-1])))
    ends = np.flatnonzero(joined & ~np.concatenate((joined[1:], [False]))) + 1
    runs = zip(starts.tolist(), ends.tolist(), strict=True)
    return "".join("M" + "L".join(f"{x[place]} {y[place]}" for place in range(start, end + 1)) for start, end in runs)
