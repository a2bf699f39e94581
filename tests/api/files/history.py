"""Three days of hourly temperatures, written in all the ways in which people export them."""

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

START = 1_768_176_000  # 2026-01-12T00:00:00Z
HOUR = 3600
HOURS = 72
VALUES = [round(21.5 + 2.4 * math.sin(hour / 4), 1) for hour in range(HOURS)]
MOMENTS = [datetime(2026, 1, 12, tzinfo=UTC) + timedelta(hours=hour) for hour in range(HOURS)]
EXPECTED = [(START + HOUR * hour, value) for hour, value in enumerate(VALUES)]

Row = Callable[[datetime, float], str]


def written(row: Row | str, header: str = "", footer: str = "", end: str = "\n") -> str:
    """Return the history with one line per point: a function of moment and value, or a format for `str.format`.

    In a format, `t` is the moment, `v` the value with a point, `c` the value with a comma, `e` the Unix time, and `i`
    the number of the row.
    """
    lines = [header] if header else []
    for index, (moment, value) in enumerate(zip(MOMENTS, VALUES, strict=True)):
        if callable(row):
            lines.append(row(moment, value))
        else:
            comma = str(value).replace(".", ",")
            lines.append(row.format(t=moment, v=value, c=comma, e=START + HOUR * index, i=index))
    return end.join([*lines, *([footer] if footer else []), ""])
