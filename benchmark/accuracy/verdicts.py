"""Verdicts after one fit on the prefix, as a person sees them: events that are hit, and false alarms."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark.accuracy import labeled, measures
from benchmark.accuracy.finding import widest_buffer
from benchmark.accuracy.halves import DEVELOP, REPORT, half_of
from benchmark.accuracy.judging import Judged, first, fitted_to, unrecognized
from benchmark.accuracy.labeled import LabeledSeries
from shared.domain import held_out
from shared.domain.detectors import learn_and_judge, registry
from shared.domain.detectors.alarms import share_of
from shared.domain.detectors.contract import USUAL, Fitted, ignore_progress
from shared.domain.series import Series

RATE = "1 in 1000"
FIGURES = (
    "events_hit",
    "false_alarms_per_10k",
    "false_alerts_per_10k",
    "useless",
    "vus_pr",
    "promise_withdrawn",
    "promise_ratio_median",
    "promise_ratio_90_percent",
    "alone_false_alarms_per_10k",
    "alone_useless",
    "seconds_per_10k_points",
    "series",
)
ENDINGS = ("points_to_close_median", "points_to_close_90_percent", "alerts")
NORMAL, BELOW = 5, 0.8  # points in a row below this score, and not absorbed, close an alert
ALERT_GAP = 64  # points: alarms nearer to each other are one alert
BEFORE, AFTER = 16, 64  # points around an event, in which an alarm is not a false alert
MANY = 0.01  # share of false alarms that makes a detector useless
SOON = 0.2  # of the prefix: the points right after it, on which the promise is checked


@dataclass(frozen=True, slots=True)
class SeriesVerdicts:
    """The figures of a series; NaN where one is undefined."""

    corpus: str
    half: str
    hit: float  # share of the events
    false_share: float  # of the normal points
    alerts: float  # false ones per 10,000 normal points
    volume: float
    promise_ratio: float  # share of false alarms among the first normal points, relative to the alarm rate
    is_withdrawn: bool  # whether the version promises nothing
    alone_hit: float
    alone_false_share: float
    seconds: float  # per 10,000 points, fit included
    endings: Sequence[int]  # points from the end of each event that was hit until an alert about it would close


def measure(name: str, alone: int, file: Path) -> SeriesVerdicts | None:
    """Fit once to the prefix and judge all that follows; None if the detector cannot learn from the prefix.

    alone: how many points are also judged one by one.
    """
    sample = labeled.read(file)
    began = time.process_time()
    fitted = fitted_to(registry()[name], first(sample.series, sample.prefix), {"alarm_rate": RATE})
    if fitted is None:
        return None
    timestamps = unrecognized(sample.series, sample.prefix)
    everything = Judged.of(fitted.score(sample.series.values, timestamps, np.empty(0)))
    context = sample.series.values[: sample.prefix]
    after = Judged.of(
        fitted.score(sample.series.values[sample.prefix :], sample.series.timestamps[sample.prefix :], context)
    )
    seconds = (time.process_time() - began) / len(sample.labels) * 1e4
    labels = sample.labels[sample.prefix :]
    hit, false_share = _hit_and_false(labels, after.anomalies)
    soon = slice(0, max(int(SOON * sample.prefix), 1))
    soon_false = after.anomalies[soon][~labels[soon]]
    ranks = np.concatenate((everything.ranks[: sample.prefix], after.ranks))
    alone_hit, alone_false = _alone(fitted, sample, alone) if alone else (np.nan, np.nan)
    return SeriesVerdicts(
        corpus=sample.corpus,
        half=half_of(sample.name),
        hit=hit,
        false_share=false_share,
        alerts=_alerts(labels, after.anomalies),
        volume=measures.vus_pr(sample.labels, ranks, widest_buffer(sample.series.values))
        if sample.labels.any()
        else np.nan,
        promise_ratio=float(soon_false.mean()) / share_of(RATE, 60.0) if len(soon_false) else np.nan,
        is_withdrawn=_promises_nothing(fitted, first(sample.series, sample.prefix)),
        alone_hit=alone_hit,
        alone_false_share=alone_false,
        seconds=seconds,
        endings=_endings(labels, after),
    )


def _promises_nothing(fitted: Fitted, prefix: Series) -> bool:
    """Return whether a version fitted to the prefix would promise nothing, because of its detector or its history."""
    parameters = {"alarm_rate": RATE}
    fitted, learned_from, scores = learn_and_judge(fitted.detector, prefix, parameters, ignore_progress)
    if scores is None:
        scores = held_out.by_folds(fitted, learned_from, parameters, lambda: None)
    promise = str(fitted.learnt().get("promise", ""))
    return held_out.checked_promise(promise, share_of(RATE, 60.0), scores.score).startswith(held_out.NOT_PROMISED)


def _hit_and_false(labels: measures.Labels, anomalies: measures.Labels) -> tuple[float, float]:
    """Return the share of the events in which any point is an anomaly, and that of the normal points that are."""
    spans = zip(*measures.events(labels), strict=True)
    hits = [anomalies[start : end + 1].any() for start, end in spans]
    return float(np.mean(hits)) if hits else np.nan, float(anomalies[~labels].mean()) if not labels.all() else np.nan


def _alerts(labels: measures.Labels, anomalies: measures.Labels) -> float:
    """Return separate false alerts per 10,000 points away from events."""
    near = np.zeros(len(labels), dtype=np.bool_)
    for start, end in zip(*measures.events(labels), strict=True):
        near[max(start - BEFORE, 0) : end + AFTER + 1] = True
    places = np.flatnonzero(anomalies & ~near)
    alerts = 1 + int((np.diff(places) > ALERT_GAP).sum()) if len(places) else 0
    return 1e4 * alerts / max(int((~near).sum()), 1)


def _endings(labels: measures.Labels, judged: Judged) -> list[int]:
    """Return the points from the end of each event that was hit to the first normal ones that would close its alert.

    The next event, or the end of the series, ends the count.
    """
    is_absorbed = (judged.scores >= USUAL) & (judged.ranks > 1)
    is_normal = (judged.scores < BELOW) & ~is_absorbed
    closes = np.flatnonzero(np.convolve(is_normal, np.ones(NORMAL), "valid") > NORMAL - 0.5)
    starts, ends = measures.events(labels)
    counts = []
    for start, end, limit in zip(starts, ends, [*starts[1:].tolist(), len(labels)], strict=True):
        if judged.anomalies[start : end + 1].any():
            place = np.searchsorted(closes, end + 1)
            counts.append(int(min(closes[place] if place < len(closes) else limit, limit) - end - 1))
    return counts


def _alone(fitted: Fitted, sample: LabeledSeries, points: int) -> tuple[float, float]:
    """Judge points one by one, each with the context that the detector asks for: some normal ones, some of each event.

    Returns the share of events in which any of them is an anomaly, and the share of the normal points that are.
    """
    values, timestamps, prefix = sample.series.values, sample.series.timestamps, sample.prefix
    need = fitted.needs().points

    def is_anomaly(place: int) -> bool:
        context = values[max(place - need, 0) : place]
        return bool(fitted.score(values[place : place + 1], timestamps[place : place + 1], context).score[0] > 1)

    normal = prefix + np.flatnonzero(~sample.labels[prefix:])
    normal = normal[np.unique(np.linspace(0, len(normal) - 1, points).astype(np.int64))]
    hits = []
    for start, end in zip(*measures.events(sample.labels), strict=True):
        if start >= prefix:
            inside = np.unique(np.linspace(start, end, min(points // 4, end - start + 1)).astype(np.int64))
            hits.append(any(map(is_anomaly, inside.tolist())))
    return float(np.mean(hits)) if hits else np.nan, float(np.mean([*map(is_anomaly, normal.tolist())]))


def summary(measured: Sequence[SeriesVerdicts]) -> list[float | None]:
    """Return the `FIGURES` over series."""
    ratios = np.array([series.promise_ratio for series in measured if not series.is_withdrawn])
    ratios = ratios[np.isfinite(ratios)]
    alone = [series for series in measured if np.isfinite(series.alone_false_share)]
    figures = [
        _mean([series.hit for series in measured]),
        1e4 * _mean([series.false_share for series in measured]),
        _mean([series.alerts for series in measured]),
        _mean([_is_useless(series.hit, series.false_share) for series in measured]),
        _mean([series.volume for series in measured]),
        _mean([float(series.is_withdrawn) for series in measured]),
        float(np.median(ratios)) if len(ratios) else np.nan,
        float(np.quantile(ratios, 0.9)) if len(ratios) else np.nan,
        1e4 * _mean([series.alone_false_share for series in alone]),
        _mean([_is_useless(series.alone_hit, series.alone_false_share) for series in alone]),
        _mean([series.seconds for series in measured]),
        float(len(measured)),
    ]
    return [figure if np.isfinite(figure) else None for figure in figures]


def endings(measured: Sequence[SeriesVerdicts]) -> list[float | None]:
    """Return the `ENDINGS` over all events that were hit."""
    counts = [count for series in measured for count in series.endings]
    if not counts:
        return [None, None, 0.0]
    return [float(np.median(counts)), float(np.quantile(counts, 0.9)), float(len(counts))]


def halves(measured: Sequence[SeriesVerdicts]) -> dict[tuple[str, str], Sequence[SeriesVerdicts]]:
    """Group the series by (corpus, half), where the half `both` is the whole corpus."""
    groups = {}
    for corpus in sorted({series.corpus for series in measured}):
        of_corpus = [series for series in measured if series.corpus == corpus]
        for half in (DEVELOP, REPORT):
            groups[corpus, half] = [series for series in of_corpus if series.half == half]
        groups[corpus, "both"] = of_corpus
    return {key: group for key, group in groups.items() if group}


def _is_useless(hit: float, false_share: float) -> float:
    return float(hit == 0 or false_share > MANY)


def _mean(figures: Sequence[float]) -> float:
    defined = [figure for figure in figures if np.isfinite(figure)]
    return float(np.mean(defined)) if defined else np.nan
