"""Formatting of numbers, times and sparklines for pages."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup, escape

from shared.wording import readable

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
SPARKLINE_WIDTH, SPARKLINE_HEIGHT = 120, 28


def moment(when: datetime) -> str:
    """Format a time in UTC, to the second."""
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def minute(when: datetime) -> str:
    """Format a time without its year, to the minute. It is as wide as "59 min ago", the text that replaces it."""
    return f"{when.astimezone(UTC):%m-%d %H:%M}"


def utc(timestamp: int) -> datetime:
    """Return a timestamp in seconds since 1970 as a time."""
    return datetime.fromtimestamp(timestamp, UTC)


def date(timestamp: int) -> str:
    """Format the UTC day of a timestamp in seconds since 1970."""
    return f"{datetime.fromtimestamp(timestamp, UTC):%Y-%m-%d}"


def clock(timestamp: int) -> str:
    """Format a timestamp in seconds since 1970 as UTC, to the minute."""
    return f"{datetime.fromtimestamp(timestamp, UTC):%Y-%m-%d %H:%M}"


def field(timestamp: int) -> str:
    """Format a timestamp in seconds since 1970 for an input of date and time, in UTC."""
    return f"{datetime.fromtimestamp(timestamp, UTC):%Y-%m-%dT%H:%M:%S}"


def breakable(series_id: str) -> Markup:
    """Allow line breaks after the separators of an id, so that a long one never breaks inside a word."""
    return Markup("").join(
        escape(part) + (Markup("<wbr>") if part in "._-" else "") for part in re.split(r"([._-])", series_id) if part
    )


def score(value: float) -> str:
    """Format a score with two digits, or as more than 99."""
    return "> 99" if value > 99 else f"{value:.2g}" if value < 10 else f"{value:.0f}"


def share(fraction: float) -> str:
    """Format a fraction in percent. A fraction above zero is never formatted as 0."""
    percent = 100 * fraction
    if 0 < percent < 0.01:
        return "< 0.01 %"
    return f"{percent:.2g} %" if percent < 10 else f"{percent:.0f} %"


def number(value: float) -> str:
    """Format a value with six digits."""
    return f"{value:.6g}"


def between(lower: float | None, upper: float | None, *beside: float | None) -> str:
    """Format the edges of a normal band, of which one may be open. beside: other values of the same sentence."""
    if lower is None:
        return "" if upper is None else f"up to {readable(upper, *beside)}"
    if upper is None:
        return f"from {readable(lower, *beside)}"
    return f"{readable(lower, upper, *beside)} to {readable(upper, lower, *beside)}"


def duration(seconds: float) -> str:
    """Format seconds in their two largest units."""
    if seconds < 1:
        return f"{1000 * seconds:.3g} ms"
    if seconds < 60:
        return f"{seconds:.3g} s"
    whole = round(seconds)
    for size, unit, smaller_size, smaller in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            remainder = whole % size // smaller_size
            return f"{whole // size} {unit}" + (f" {remainder} {smaller}" if remainder else "")
    return f"{whole} s"


def rough(seconds: float) -> str:
    """Format seconds in their largest unit, as the scripts do for a time that passes."""
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds >= size), _UNITS[-1])
    return f"{max(seconds, 0) // size:.0f} {unit}"


def parameter(value: Any) -> str:
    """Format the value of a detector's parameter for people."""
    if isinstance(value, float):
        return number(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, list):
        return {0: "none", 1: "1 span"}.get(len(value), f"{len(value)} spans")
    return str(value)


def sparkline(values: Sequence[float]) -> str:
    """Return the points of an SVG polyline in a box of `SPARKLINE_WIDTH` by `SPARKLINE_HEIGHT`, as whole numbers."""
    return " ".join(f"{x:.0f},{y:.0f}" for x, y in _drawn(values))


def dots(values: Sequence[float], places: Sequence[int]) -> str:
    """Return the path of dots on a sparkline at these places of its values."""
    drawn = _drawn(values)
    return "".join(f"M{drawn[place][0]:.0f} {drawn[place][1]:.0f}h0" for place in places if place < len(drawn))


def _drawn(values: Sequence[float]) -> list[tuple[float, float]]:
    lowest, highest = min(values), max(values)
    # halved first, because the difference of two finite numbers may overflow
    spread = highest / 2 - lowest / 2 or 1.0
    step = SPARKLINE_WIDTH / max(len(values) - 1, 1)
    top, height = 2, SPARKLINE_HEIGHT - 4
    return [
        (index * step, top + height * (1 - (value / 2 - lowest / 2) / spread)) for index, value in enumerate(values)
    ]


FILTERS = {
    "clock": clock,
    "utc": utc,
    "plain": readable,
    "between": between,
    "field": field,
    "breakable": breakable,
    "score": score,
    "moment": moment,
    "minute": minute,
    "date": date,
    "share": share,
    "number": number,
    "duration": duration,
    "rough": rough,
    "parameter": parameter,
    "sparkline": sparkline,
    "dots": dots,
}
