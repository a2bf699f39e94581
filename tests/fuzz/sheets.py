"""Files of points in random dialects, and changes to them, by a writer that remembers what it wrote."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random

Point = tuple[int, float]
Names = tuple[str, str]

_MONTHS = "Januar Februar März April Mai Juni Juli August September Oktober November Dezember".split()  # noqa: SIM905
_CLOCKS = (" %H:%M", " %H:%M:%S", "T%H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
_DATES: tuple[Callable[[datetime], str], ...] = (
    lambda t: f"{t:%Y-%m-%d}",
    lambda t: f"{t:%Y/%m/%d}",
    lambda t: f"{t:%d.%m.%Y}",
    lambda t: f"{t.day}.{t.month}.{t.year}",
    lambda t: f"{t:%d.%m.%y}",
    lambda t: f"{t:%d/%m/%Y}",
    lambda t: f"{t:%m/%d/%Y}",
    lambda t: f"{t.month}/{t.day}/{t:%y}",
    lambda t: f"{t:%d-%m-%Y}",
    lambda t: f"{t:%d-%b-%Y}",
    lambda t: f"{t.day} {t:%b %Y}",
    lambda t: f"{t:%b} {t.day}, {t.year}",
    lambda t: f"{t.day}. {_MONTHS[t.month - 1]} {t.year}",
)
_ZONES = ("", "", "", "Z", "+00:00", " UTC")
_NUMERIC: tuple[Callable[[datetime], str], ...] = (
    lambda t: f"{t.timestamp():.0f}",
    lambda t: f"{t.timestamp():.0f}000",
    lambda t: f"{t.timestamp():.0f}000000",
    lambda t: f"{t.timestamp():.0f}000000000",
    lambda t: f"{t.timestamp():.1f}",
    lambda t: f"{t:%Y%m%d%H%M}",
    lambda t: f"{t:%Y%m%d%H%M%S}",
)
_NAMES: tuple[Names, ...] = (
    ("time", "value"), ("timestamp", "temp"), ("Zeit", "Temperatur"), ("Datum", "Wert [°C]"), ("ds", "y"), ("", "0"),
    ("Time", "CPU load"), ("Datum/Uhrzeit", "Messwert"), ("created", "reading"),
)  # fmt: skip
GARBAGE = (
    "error",
    "off",
    "<0.5",
    "inf",
    "1e999",
    "12:30",
    "0x1F",
    "1_000",
    "?",
    "12..5",
    "1,2,3,4",
    "nine",
    "5 apples",
    "#REF!",
)
NO_TIMES = ("soon", "2026-13-45 00:00", "31.02.2026", "00:00", "9" * 30, "2026-01-12 25:00", "?", "12:30", "-")
MISSING = ("", "NaN", "null", "N/A", "<NA>", "None")


@dataclass(frozen=True)
class Sheet:
    """Lines of a file; `points` has the point of each row."""

    head: list[str]
    rows: list[str]
    points: list[Point]
    foot: list[str]
    delimiter: str = ","
    end: str = "\n"
    encoding: str = "utf-8"
    cells: list[tuple[str, str]] = field(default_factory=list)
    order: tuple[int, int] = (0, 1)  # positions of time and value
    width: int = 2

    def content(self) -> bytes:
        """Return the file."""
        return self.end.join([*self.head, *self.rows, *self.foot, ""]).encode(self.encoding, "replace")

    def row(self, cells: tuple[str, str]) -> str:
        """Return a row with these cells of time and value."""
        row = ["x"] * self.width
        for place, cell in zip(self.order, cells, strict=True):
            row[place] = f'"{cell}"' if self.delimiter in cell else cell
        return self.delimiter.join(row)


def moments(random: Random) -> list[datetime]:
    """Return times of a regular series of 8 to 60 points."""
    start = datetime(random.randint(2019, 2026), random.randint(1, 12), random.randint(1, 28), tzinfo=UTC)
    step = timedelta(seconds=random.choice((60, 300, 900, 3600, 21_600, 86_400)))
    return [start + index * step for index in range(random.randint(8, 60))]


def sheet(random: Random) -> Sheet:
    """Write a series in a random dialect of delimited text."""
    times = moments(random)
    write_time = random.choice(_NUMERIC) if random.random() < 0.3 else _written(random, times)
    decimals, scale = random.choice(((0, 100), (1, 20), (1, 1500), (2, 30), (3, 50), (3, 5000), (6, 1)))
    values = [round(scale * (1 + 0.3 * math.sin(index)) + random.random(), decimals) for index in range(len(times))]
    if random.random() < 0.2:
        values = [-value for value in values]
    comma, grouped = random.choice(
        ((False, ""), (False, ""), (True, ""), (True, "."), (True, " "), (False, ","), (False, "'"))
    )
    delimiter = random.choice((",", ",", ";", ";", "\t", "|"))
    unit = random.choice(("", "", "", "", " °C", "%", " kWh"))
    cells = [
        (write_time(t), _number(v, decimals, comma=comma, grouped=grouped) + unit)
        for t, v in zip(times, values, strict=True)
    ]
    width = random.choice((2, 2, 2, 3))
    order = random.choice([(a, b) for a in range(width) for b in range(width) if a != b])
    names = random.choice(_NAMES)
    blank = Sheet(
        [], [], [], [], delimiter, random.choice(("\n", "\n", "\r\n")), _encoding(random), cells, order, width
    )
    head = [blank.row(names).replace("x", "host", 1) if width == 3 else blank.row(names)]
    points = [(int(t.timestamp()), float(v)) for t, v in zip(times, values, strict=True)]
    return replace(
        blank, head=head if random.random() < 0.85 else [], rows=[blank.row(pair) for pair in cells], points=points
    )


def _written(random: Random, times: list[datetime]) -> Callable[[datetime], str]:
    day, clock, zone = random.choice(_DATES), random.choice(_CLOCKS), random.choice(_ZONES)
    if all(moment.hour == moment.minute == 0 for moment in times) and random.random() < 0.5:
        return day
    if clock.startswith("T"):
        day = _DATES[0]
    return lambda t: day(t) + format(t, clock) + zone


def _number(value: float, decimals: int, *, comma: bool, grouped: str) -> str:
    text = f"{value:,.{decimals}f}"
    sign = "," if comma else "."
    return text.replace(",", "_").replace(".", sign).replace("_", grouped)


def _encoding(random: Random) -> str:
    return random.choice(("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "cp1252"))


def document(random: Random) -> tuple[str, list[Point]]:
    """Write a series as a random form of JSON on one line."""
    times = moments(random)
    points = [
        (int(t.timestamp()), round(20 + 5 * math.sin(index) + random.random(), 3)) for index, t in enumerate(times)
    ]
    scale = random.choice((1, 1000))
    stamps = [scale * stamp for stamp, _ in points]
    values = [value for _, value in points]
    records = [{"timestamp": stamp, "value": value} for stamp, value in zip(stamps, values, strict=True)]
    pairs = [[stamp, value] for stamp, value in zip(stamps, values, strict=True)]
    forms: tuple[object, ...] = (
        records,
        pairs,
        {"timestamps": stamps, "values": values},
        {"timestamps": stamps, "values": values, "detector": "robust"},
        {str(stamp): value for stamp, value in pairs},
        {"value": {str(stamp): value for stamp, value in pairs}},
        {"columns": ["value"], "index": stamps, "data": [[value] for value in values]},
        {
            "data": {
                "resultType": "matrix",
                "result": [{"metric": {"a": "b"}, "values": [[s, str(v)] for s, v in pairs]}],
            }
        },
        {"metric": {"__name__": "temp"}, "values": values, "timestamps": stamps},
        [{"target": "temp", "datapoints": [[value, stamp] for stamp, value in pairs]}],
        {"results": [{"series": [{"name": "temp", "columns": ["time", "value"], "values": pairs}]}]},
    )
    return json.dumps(random.choice(forms)), points
