"""How well one detector finds the events of one series, in each of its modes."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark.accuracy import labelled, measures
from benchmark.accuracy.judging import Refits, judged, judged_at_once
from benchmark.accuracy.labelled import Labelled
from benchmark.accuracy.nab import Stream
from shared.domain.detectors import registry
from shared.domain.detectors.contract import CAUSAL

FIGURES = ("vus_pr", "auc_pr", "best_f1", "false_alarm_share", "events_hit", "seconds_per_10k_points")
USUAL_BUFFER, WIDEST_BUFFER = 125, 300  # as TSB-AD chooses the widest buffer where there is no period, or a long one
BUFFER_POINTS, LONGEST_LAG = 20_000, 400  # where TSB-AD looks for the period


@dataclass(frozen=True, slots=True)
class Found:
    """What was measured on a series: for each mode the `FIGURES`, None where there is nothing to measure."""

    series: str
    corpus: str
    part: str
    figures: dict[str, list[float | None]]
    stream: Stream | None  # of the causal scores, where the corpus is NAB


def found(name: str, refits: Refits, file: Path) -> Found:
    """Measure the causal mode, and, where it learns once, those that see a whole batch."""
    given = labelled.read(file)
    detector = registry()[name]
    figures = {}
    began = time.process_time()
    causal = judged(detector, given.series, given.prefix, refits, {})
    figures[CAUSAL] = _figures(given, causal, time.process_time() - began)
    for mode in () if refits.points else detector.modes:
        began = time.process_time()
        scores = judged_at_once(detector, mode, given.series, given.prefix)
        figures[mode] = _figures(given, scores, time.process_time() - began)
    stream = Stream.of(causal, given.labels, given.prefix) if given.corpus == labelled.NAB else None
    return Found(given.name, given.corpus, given.part, figures, stream)


def _figures(given: Labelled, scores: measures.Scores, seconds: float) -> list[float | None]:
    """In the order of `FIGURES`. Ranks are measured over the whole series, as TSB-AD does; alarms after the prefix."""
    speed = seconds / len(scores) * 1e4
    after, alarms = given.labels[given.prefix :], scores[given.prefix :] > 1
    false = float(alarms[~after].mean()) if not after.all() else None
    spans = list(zip(*measures.events(after), strict=True))
    hit = float(np.mean([alarms[first : last + 1].any() for first, last in spans])) if spans else None
    if not given.labels.any():
        return [None, None, None, false, hit, speed]
    precision, f1 = measures.auc_pr(given.labels, scores)
    volume = measures.vus_pr(given.labels, scores, _widest_buffer(given.series.values))
    return [volume, precision, f1, false, hit, speed]


def _widest_buffer(values: measures.Scores) -> int:
    """The highest local maximum of the autocorrelation from lag 4 on."""
    centred = values[:BUFFER_POINTS] - values[:BUFFER_POINTS].mean()
    spectrum = np.fft.rfft(centred, 2 * len(centred))
    inner = np.fft.irfft(spectrum * spectrum.conj())[3 : min(LONGEST_LAG, len(centred) // 3) + 1]
    peaks = np.flatnonzero((inner[1:-1] > inner[:-2]) & (inner[1:-1] > inner[2:]))
    period = int(peaks[inner[1:-1][peaks].argmax()]) + 4 if len(peaks) else 0
    return period if 6 <= period <= WIDEST_BUFFER + 3 else USUAL_BUFFER
