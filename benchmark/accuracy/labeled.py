"""Labeled series of open benchmarks, read from their files.

TSB-AD: csv files with the columns Data and Label, or npz files with the arrays x, y and tr; the name of a file
contains its part and the length of the training prefix. There are no timestamps; an interval of one minute is assumed.
NAB: a folder with data/<part>/<name>.csv (columns timestamp and value) and labels/combined_windows.json.
"""

import csv
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.domain.series import Series

TSB_AD, NAB = "TSB-AD", "NAB"
WINDOWS = "labels/combined_windows.json"
START, INTERVAL_S = 1_704_067_200, 60  # a Monday, 00:00 UTC
PROBATION_SHARE, MAX_PROBATION = 0.15, 750  # of a NAB series: learned from, not scored


@dataclass(frozen=True, slots=True)
class LabeledSeries:
    """A series, flags (n,) for the points that belong to an event, and the number of points to learn from first."""

    corpus: str
    part: str
    name: str
    series: Series
    labels: NDArray[np.bool_]
    prefix: int


def files_of(folder: Path) -> list[Path]:
    """List the series of a folder of NAB or TSB-AD."""
    if (folder / WINDOWS).exists():
        return sorted(folder.glob("data/*/*.csv"))
    return sorted((*folder.glob("*.npz"), *folder.glob("*.csv")))


def corpus_of(file: Path) -> str:
    """Return the corpus of a file, by the layout of its folder."""
    return NAB if (_root(file) / WINDOWS).exists() else TSB_AD


def read(file: Path) -> LabeledSeries:
    """Read a series of NAB or TSB-AD."""
    return _of_nab(file) if corpus_of(file) == NAB else _of_tsb_ad(file)


def _root(file: Path) -> Path:
    return file.resolve().parents[2]


def _of_nab(file: Path) -> LabeledSeries:
    with file.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    times = np.array([_seconds(row["timestamp"]) for row in rows])
    windows = json.loads((_root(file) / WINDOWS).read_text())[f"{file.parent.name}/{file.name}"]
    labels = np.zeros(len(rows), dtype=np.bool_)
    for first, last in windows:
        labels[(times >= _seconds(first)) & (times <= _seconds(last))] = True
    places = np.arange(len(rows))
    timestamps = np.maximum.accumulate(times - places) + places  # an hour repeats when daylight saving time ends
    values = np.array([float(row["value"]) for row in rows])
    prefix = min(int(PROBATION_SHARE * len(rows)), MAX_PROBATION)
    return LabeledSeries(NAB, file.parent.name, file.stem, Series(timestamps, values), labels, prefix)


def _seconds(time: str) -> int:
    return int(datetime.fromisoformat(time).replace(tzinfo=UTC).timestamp())


def _of_tsb_ad(file: Path) -> LabeledSeries:
    if file.suffix == ".npz":
        with np.load(file, allow_pickle=False) as content:
            values, labels, prefix = content["x"].astype(np.float64), content["y"] > 0, int(content["tr"])
    else:
        table = np.loadtxt(file, delimiter=",", skiprows=1)
        match = re.search(r"_tr_(\d+)_", file.name)
        values, labels = table[:, 0], table[:, -1] > 0
        prefix = int(match.group(1)) if match else len(table) // 4
    words = file.stem.split("_")
    part = words[1] if len(words) > 1 else file.stem  # 001_NAB_id_1_… belongs to the part NAB
    return LabeledSeries(
        TSB_AD, part, file.stem, Series(START + INTERVAL_S * np.arange(len(values)), values), labels, prefix
    )
