"""Costs of a detector: time to fit, to score the newest point and to score a batch; peak memory; size of the state.

Times are CPU times on one core, so that other load on the machine does not count. Memory is the peak that NumPy and
Python allocate during the batch, including the scores.
"""

import time
import tracemalloc

import numpy as np

from shared.domain.detectors import learn, registry
from shared.domain.detectors.contract import Fitted, ignore_progress
from shared.domain.detectors.states import encode
from shared.domain.series import Series
from shared.domain.training_scores import judged

FIGURES = ("fit_s", "newest_point_ms", "batch_s", "batch_peak_mb", "state_kb")
INTERVAL_S = 60
REPEATS = 200


def costs(name: str, points: int) -> list[float]:
    """Measure the costs for `points` points, in the order of `FIGURES`."""
    random = np.random.default_rng(0)
    timestamps = INTERVAL_S * np.arange(2 * points)
    values = np.sin(2 * np.pi * np.arange(2 * points) / 50) + 0.1 * random.normal(size=2 * points)
    training = Series(timestamps[:points], values[:points])
    new = Series(timestamps[points:], values[points:])
    detector = registry()[name]
    learn(detector, Series(timestamps[:2_000], values[:2_000]), {}, ignore_progress)  # warm-up, for one-time work
    began = time.process_time()
    fitted = learn(detector, training, {}, ignore_progress)
    fit_s = time.process_time() - began
    newest_ms = _newest_ms(fitted, new)
    tracemalloc.start()
    began = time.process_time()
    judged(fitted, new, lambda: None)
    batch_s = time.process_time() - began
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return [fit_s, newest_ms, batch_s, peak / 1e6, len(encode(fitted)[0]) / 1000]


def _newest_ms(fitted: Fitted, new: Series) -> float:
    """Return the median milliseconds to score one point with its context."""
    need = fitted.detector.needs(fitted.state).points
    seconds = []
    for index in range(need, need + REPEATS):
        began = time.process_time()
        fitted.detector.score(
            fitted.state,
            new.values[index : index + 1],
            new.timestamps[index : index + 1],
            new.values[index - need : index],
        )
        seconds.append(time.process_time() - began)
    return 1000 * float(np.median(seconds))
