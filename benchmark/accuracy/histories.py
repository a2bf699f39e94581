"""Training scores of whole histories of NAB: which labeled windows a person sees on the chart of a fit."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark.accuracy import labeled, measures
from shared.domain import held_out
from shared.domain.detectors import learn_and_judge, registry
from shared.domain.detectors.contract import ignore_progress
from shared.errors import InputError

FIGURES = ("windows_marked", "windows", "flagged_share", "flagged_outside", "series")


@dataclass(frozen=True, slots=True)
class History:
    """Labeled windows with an anomaly inside, and all; share of anomalies among all points, and outside of windows."""

    marked: int
    windows: int
    flagged: float
    outside: float


def measure(name: str, file: Path) -> History | None:
    """Fit to the whole series; None if the detector cannot learn from it."""
    sample = labeled.read(file)
    detector = registry()[name]
    try:
        sample.series.check_learnable(detector.min_points)
        fitted, learned_from, scores = learn_and_judge(detector, sample.series, {}, ignore_progress)
    except InputError:
        return None
    if scores is None:
        scores = held_out.by_folds(fitted, learned_from, {}, lambda: None)
    anomalies = scores.score > 1
    spans = list(zip(*measures.events(sample.labels), strict=True))
    marked = sum(bool(anomalies[start : end + 1].any()) for start, end in spans)
    return History(marked, len(spans), float(anomalies.mean()), float(anomalies[~sample.labels].mean()))


def summary(histories: Sequence[History]) -> list[float | None]:
    """Return the `FIGURES` over series."""
    return [
        float(sum(history.marked for history in histories)),
        float(sum(history.windows for history in histories)),
        float(np.mean([history.flagged for history in histories])),
        float(np.mean([history.outside for history in histories])),
        float(len(histories)),
    ]
