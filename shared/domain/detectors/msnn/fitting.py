"""Fit: learn the training windows, a forecast, a rhythm, and the usual sum of their terms."""

from dataclasses import replace

import numpy as np

from shared.domain.detectors import forecasts
from shared.domain.detectors.alarms import Boundary, interval_of, share_of
from shared.domain.detectors.contract import ParameterValues, Progress, TrainingEnd
from shared.domain.detectors.msnn import rhythm
from shared.domain.detectors.msnn.bank import BANK, Bank, Layout, TrainingWindows, bank_ends, vectors, window_lengths
from shared.domain.detectors.msnn.held_out import held_out_ends, held_out_sums
from shared.domain.detectors.msnn.state import Msnn, TrustedForecast
from shared.domain.detectors.msnn.weighing import BACK, WINDOW_FLOOR, compressed, cumulative, usual
from shared.domain.detectors.standards import Indices, Standard, is_after_gap, period_of, without_outliers
from shared.domain.series import Flags, Series, Values

NO_PROMISE = (
    "Not promised: this boundary does not adapt, and the training data does not show whether it will hold. Right after "
    "the training data, one in ten labeled series raised 100 times the alarm rate. Fit again often, or use auto."
)
SELF_SHARE = 0.15  # of the series: a window closer than this in time does not show that a pattern repeats


def fit(series: Series, parameters: ParameterValues, progress: Progress, bank: int = BANK) -> Msnn:
    """Choose window lengths and banks of at most `bank` windows, and learn the boundary on held-out windows."""
    standard = Standard.of(series.values)
    values = without_outliers(standard.standardized(series.values))
    after_gap = is_after_gap(series.timestamps)
    period = period_of(values)
    lengths = window_lengths(len(series), period)
    ends = held_out_ends(len(series), lengths[-1])
    windows, near = _windows(series, values, after_gap, lengths, bank, ends, progress)
    forecast_trial = forecasts.best(values, ~after_gap)
    progress(0.9)
    forecast = TrustedForecast.of(forecast_trial)
    interval_s = interval_of(series.timestamps)
    steps = (series.timestamps - series.timestamps[0]) / interval_s
    rhythm_trial = rhythm.best(values, steps, period, interval_s)
    sums = held_out_sums(near, ends, values, steps, forecast_trial, forecast, rhythm_trial)
    boundary = replace(Boundary.of(sums, parameters["alarm_rate"], interval_s), promise=NO_PROMISE)
    progress(1.0)
    return Msnn(
        standard=standard,
        windows=windows,
        forecast=forecast,
        rhythm=rhythm_trial.rhythm,
        boundary=boundary,
        share=share_of(parameters["alarm_rate"], interval_s),
        period=period,
        first_timestamp=int(series.timestamps[0]),
        end=TrainingEnd.of(series, lengths[-1] - 1 + BACK, interval_s),
    )


def _windows(
    series: Series, values: Values, after_gap: Flags, lengths: list[int], most: int, ends: Indices, progress: Progress
) -> tuple[TrainingWindows, Values]:
    """Return the banks of all lengths, and the mean distance (m,) from them of the windows that end at `ends` (m,)."""
    sums = cumulative(values)
    apart = SELF_SHARE * len(series)
    bank_indices, bank_vectors, usual_distances, near = [], [], [], np.zeros(len(ends))
    for done, length in enumerate(lengths, start=1):
        bank_indices.append(bank_ends(after_gap, length, most))
        layout = Layout.of((length,))
        bank_vectors.append(vectors(sums, bank_indices[-1], layout).astype(np.float16))
        bank = Bank.of(bank_vectors[-1].astype(np.float32), bank_indices[-1])
        nearest, _ = bank.nearest(vectors(sums, ends, layout), ends, max(length, apart))
        distances = nearest.astype(np.float64)
        usual_distances.append(usual(distances, WINDOW_FLOOR))
        near += compressed(distances / usual_distances[-1]) / len(lengths)
        progress(0.5 * done / len(lengths))
    windows = TrainingWindows(
        lengths=np.array(lengths, dtype=np.int64),
        counts=np.array([len(indices) for indices in bank_indices], dtype=np.int64),
        vectors=np.concatenate([rows.ravel() for rows in bank_vectors]),
        times=np.concatenate([series.timestamps[indices] for indices in bank_indices]),
        last_values=np.concatenate([series.values[indices] for indices in bank_indices]),
        usual_distances=np.array(usual_distances),
    )
    return windows, near
