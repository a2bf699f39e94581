"""What a detector costs: time to fit, to judge the newest point and a batch; its memory; size of its state.

Times are those of the processor, one core, so that neighbours on the machine do not count. Memory is what NumPy and
Python allocate during the batch at most, its answers among it.
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
    """In the order of `FIGURES`, for so many points."""
    random = np.random.default_rng(0)
    timestamps = INTERVAL_S * np.arange(2 * points)
    values = np.sin(2 * np.pi * np.arange(2 * points) / 50) + 0.1 * random.normal(size=2 * points)
    training = Series(timestamps[:points], values[:points])
    new = Series(timestamps[points:], values[points:])
    detector = registry()[name]
    learn(detector, Series(timestamps[:2_000], values[:2_000]), {}, ignore_progress)  # what is done only once
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
    """The median over points that are judged one by one, each with the context it needs."""
    need = fitted.detector.needs(fitted.state).points
    took = []
    for at in range(need, need + REPEATS):
        began = time.process_time()
        fitted.detector.score(
            fitted.state, new.values[at : at + 1], new.timestamps[at : at + 1], new.values[at - need : at]
        )
        took.append(time.process_time() - began)
    return 1000 * float(np.median(took))
