"""What a fit learns: the windows of the training values, a forecast, a rhythm, and what sum of them is usual."""

import numpy as np

from shared.domain.detectors import alarms, forecasts
from shared.domain.detectors.contract import ParameterValues, Progress
from shared.domain.detectors.msnn import rhythm
from shared.domain.detectors.msnn.bank import Bank, bank_ends, lengths_of, vectors
from shared.domain.detectors.msnn.held_out import held_out_ends, held_out_sums
from shared.domain.detectors.msnn.state import Msnn
from shared.domain.detectors.msnn.weighing import SMOOTHED, STRIDE, tamed
from shared.domain.detectors.standards import Standard, is_after_gap, period_of, without_wild
from shared.domain.series import Series

FLOOR = 0.02  # added to what is usual, so that a noiseless series does not make rounding errors unusual
SELF_SHARE = 0.15  # of the series: windows nearer than this are no proof that something came back


def fit(series: Series, parameters: ParameterValues, progress: Progress) -> Msnn:
    """Choose scales and banks, and learn on held-out windows what is usual."""
    standard = Standard.of(series.values)
    values = without_wild(standard.standardized(series.values))
    sums = np.concatenate(([0.0], values.cumsum()))
    after_gap = is_after_gap(series.timestamps)
    period = period_of(values)
    scales = lengths_of(len(series), period)
    ends = held_out_ends(len(series), scales[-1])
    nearby = SELF_SHARE * len(series)
    banks, usual, near = [], [], np.zeros(len(ends))
    for done, length in enumerate(scales):
        kept = bank_ends(after_gap, length)
        narrow = vectors(sums, kept, length).astype(np.float16)
        by_place = Bank.of(narrow.astype(np.float32), kept)
        nearest, _ = by_place.nearest(vectors(sums, ends, length), ends, max(length, nearby))
        distances = nearest.astype(np.float64)
        usual.append(float(np.quantile(distances, 0.99)) + FLOOR)
        near += tamed(distances / usual[-1]) / len(scales)
        banks.append((narrow, kept))
        progress(0.5 * (done + 1) / len(scales))
    trial = forecasts.best(values, ~after_gap)
    progress(0.9)
    usual_error = float(np.quantile(trial.residuals, 0.99)) + 1e-3
    trust = min(1.0, 2 * max(trial.skill, 0.0))
    interval = alarms.interval_of(series.timestamps)
    steps = (series.timestamps - series.timestamps[0]) / interval
    beat = rhythm.best(values, steps, period, interval)
    sums_of_parts = held_out_sums(near, ends, values, trial, trust, usual_error, beat, steps)
    share = alarms.share_of(parameters["alarm_rate"], interval)
    need = scales[-1] - 1 + SMOOTHED - STRIDE
    progress(1.0)
    return Msnn(
        centre=standard.center,
        spread=standard.spread,
        scales=np.array(scales, dtype=np.int64),
        counts=np.array([len(kept) for _, kept in banks], dtype=np.int64),
        vectors=np.concatenate([narrow.ravel() for narrow, _ in banks]),
        times=np.concatenate([series.timestamps[kept] for _, kept in banks]),
        lasts=np.concatenate([series.values[kept] for _, kept in banks]),
        usual=np.array(usual),
        lags=trial.forecast.lags,
        bends=trial.forecast.bends,
        weights=trial.forecast.weights,
        usual_error=usual_error,
        trust=trust,
        rhythm_period=beat.rhythm.period,
        rhythm_levels=beat.rhythm.levels,
        usual_rhythm_error=beat.rhythm.usual_error,
        rhythm_trust=beat.rhythm.trust,
        boundary=alarms.boundary(sums_of_parts, share),
        period=period,
        share=share,
        promise=alarms.promise(share, len(sums_of_parts)),
        first_timestamp=int(series.timestamps[0]),
        last_timestamp=int(series.timestamps[-1]),
        interval_s=interval,
        tail=series.values[-need:].copy(),
    )
