"""Measurement of how well a detector finds the events of a series, in each of its modes."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark.accuracy import labeled, measures
from benchmark.accuracy.judging import Judged, Refits, judged, judged_at_once
from benchmark.accuracy.labeled import LabeledSeries
from benchmark.accuracy.nab import Stream
from shared.domain.detectors import registry
from shared.domain.detectors.contract import CAUSAL

FIGURES = ("vus_pr", "auc_pr", "best_f1", "false_alarm_share", "events_hit", "seconds_per_10k_points")
USUAL_BUFFER, WIDEST_BUFFER = 125, 300  # widest buffers in TSB-AD without a period, and with a long one
BUFFER_POINTS, MAX_LAG = 20_000, 400  # range in which TSB-AD searches for the period


@dataclass(frozen=True, slots=True)
class Measurement:
    """Measurement of a series: the `FIGURES` of each mode, None where a figure is undefined."""

    series: str
    corpus: str
    part: str
    figures: dict[str, list[float | None]]
    stream: Stream | None  # of the causal scores, if the corpus is NAB


def measure(name: str, refits: Refits, file: Path) -> Measurement:
    """Measure the causal mode and, without refits, also the modes that use a whole batch."""
    sample = labeled.read(file)
    detector = registry()[name]
    figures = {}
    began = time.process_time()
    causal = judged(detector, sample.series, sample.prefix, refits, {})
    figures[CAUSAL] = _figures(sample, causal, time.process_time() - began)
    for mode in () if refits.points else detector.modes:
        began = time.process_time()
        scores = judged_at_once(detector, mode, sample.series, sample.prefix)
        figures[mode] = _figures(sample, scores, time.process_time() - began)
    stream = Stream.of(causal.scores, sample.labels, sample.prefix) if sample.corpus == labeled.NAB else None
    return Measurement(sample.name, sample.corpus, sample.part, figures, stream)


def _figures(sample: LabeledSeries, judgment: Judged, seconds: float) -> list[float | None]:
    """Return the `FIGURES`. Ranks count over the whole series, as in TSB-AD, alarms only after the prefix."""
    scores = judgment.ranks
    speed = seconds / len(scores) * 1e4
    after, alarms = sample.labels[sample.prefix :], judgment.anomalies[sample.prefix :]
    false_alarms = float(alarms[~after].mean()) if not after.all() else None
    spans = list(zip(*measures.events(after), strict=True))
    hit = float(np.mean([alarms[first : last + 1].any() for first, last in spans])) if spans else None
    if not sample.labels.any():
        return [None, None, None, false_alarms, hit, speed]
    precision, f1 = measures.auc_pr(sample.labels, scores)
    volume = measures.vus_pr(sample.labels, scores, widest_buffer(sample.series.values))
    return [volume, precision, f1, false_alarms, hit, speed]


def widest_buffer(values: measures.Scores) -> int:
    """Return the period: the highest local maximum of the autocorrelation from lag 4 on, else the usual buffer."""
    centered = values[:BUFFER_POINTS] - values[:BUFFER_POINTS].mean()
    spectrum = np.fft.rfft(centered, 2 * len(centered))
    inner = np.fft.irfft(spectrum * spectrum.conj())[3 : min(MAX_LAG, len(centered) // 3) + 1]
    peaks = np.flatnonzero((inner[1:-1] > inner[:-2]) & (inner[1:-1] > inner[2:]))
    period = int(peaks[inner[1:-1][peaks].argmax()]) + 4 if len(peaks) else 0
    return period if 6 <= period <= WIDEST_BUFFER + 3 else USUAL_BUFFER
