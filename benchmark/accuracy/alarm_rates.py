"""Whether detectors raise as many false alarms as they were asked for."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmark.accuracy import labelled
from benchmark.accuracy.judging import Refits, judged
from shared.domain.detectors import registry

RATES = ("1 in 100", "1 in 1000")
FIGURES = ("median_ratio", "mean_ratio", "within_a_factor_of_2", "series")


def rate_ratio(name: str, rate: str, refits: Refits, file: Path) -> float:
    """False alarms after the prefix, as a multiple of those that were asked for."""
    given = labelled.read(file)
    scores = judged(registry()[name], given.series, given.prefix, refits, {"alarm_rate": rate})
    alarms, points = (int(number) for number in rate.split(" in "))
    normal = ~given.labels[given.prefix :]
    return float((scores[given.prefix :][normal] > 1).mean()) * points / alarms


def rates_figures(ratios: Sequence[float]) -> list[float]:
    """In the order of `FIGURES`."""
    found = np.array(ratios)
    within = float(((found >= 0.5) & (found <= 2)).mean())
    return [float(np.median(found)), float(found.mean()), within, float(len(found))]
