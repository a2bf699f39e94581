"""False-alarm rates of detectors, compared with the requested rates."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmark.accuracy import labeled
from benchmark.accuracy.judging import Refits, judged
from shared.domain.detectors import registry

RATES = ("1 in 100", "1 in 1000")
FIGURES = ("median_ratio", "mean_ratio", "within_a_factor_of_2", "series")


def rate_ratio(name: str, rate: str, refits: Refits, file: Path) -> float:
    """Measure false alarms after the prefix, as a multiple of the requested rate, such as `1 in 100`."""
    sample = labeled.read(file)
    judgment = judged(registry()[name], sample.series, sample.prefix, refits, {"alarm_rate": rate})
    alarms, points = (int(number) for number in rate.split(" in "))
    normal = ~sample.labels[sample.prefix :]
    return float(judgment.anomalies[sample.prefix :][normal].mean()) * points / alarms


def rates_figures(ratios: Sequence[float]) -> list[float]:
    """Summarize the ratios of all series, in the order of `FIGURES`."""
    column = np.array(ratios)
    within = float(((column >= 0.5) & (column <= 2)).mean())
    return [float(np.median(column)), float(column.mean()), within, float(len(column))]
