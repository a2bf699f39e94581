"""Real series that ship with the project, to try it out."""

import csv
from dataclasses import dataclass
from importlib.resources import files

NAMES = ("seattle-wind", "new-york-temperature")
WATCHED = "new-york-taxi"


@dataclass(frozen=True, slots=True)
class Sample:
    """A series in the form of a fit's body: timestamps in seconds since 1970."""

    name: str
    timestamps: list[int]
    values: list[float]


def load(name: str) -> Sample:
    """Read the sample with this name, one of `NAMES` or `WATCHED`."""
    with (files(__name__) / f"{name}.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return Sample(name, [int(row["timestamp"]) for row in rows], [float(row["value"]) for row in rows])
