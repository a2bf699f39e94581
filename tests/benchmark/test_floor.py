"""Quality on generated series with known events: it may rise, and must not fall."""

from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmark import measures
from shared.domain.detectors import learn, registry
from shared.domain.series import Series

if TYPE_CHECKING:
    from collections.abc import Callable


def generated(seed: int) -> tuple[measures.Scores, measures.Labels]:
    """A noisy rhythm of 4,000 points with a flat stretch, a shift, a burst of noise and a faster rhythm in its end."""
    random = np.random.default_rng(seed)
    values = np.sin(2 * np.pi * np.arange(4000) / 60) + 0.1 * random.normal(size=4000)
    labels = np.zeros(4000, dtype=np.bool_)
    events: dict[int, Callable[[measures.Scores], measures.Scores]] = {
        2200: lambda part: 0.1 * random.normal(size=len(part)),
        2700: lambda part: part + 0.7,
        3200: lambda part: part + 0.4 * random.normal(size=len(part)),
        3700: lambda part: np.sin(2 * np.pi * np.arange(len(part)) / 25) + 0.1 * random.normal(size=len(part)),
    }
    for start, change in events.items():
        values[start : start + 40] = change(values[start : start + 40])
        labels[start : start + 40] = True
    return values, labels


@pytest.mark.parametrize(
    ("name", "mode", "floor"),
    [("baseline", "causal", 0.2), ("robust", "causal", 0.2), ("msnn", "causal", 0.66), ("msnn", "centred", 0.87)],
)
def test_events_are_found_at_least_this_well(name: str, mode: str, floor: float) -> None:
    volumes = []
    for seed in range(3):
        values, labels = generated(seed)
        timestamps = 60 * np.arange(4000)
        detector = registry()[name]
        state = learn(detector, Series(timestamps[:2000], values[:2000]), {}, lambda _share: None).state
        new = timestamps[2000:]
        if mode == "causal":
            scores = detector.score(state, values[2000:], new, values[:2000]).score
        else:
            scores = detector.modes[mode](state, values[2000:], new).score
        volumes.append(measures.vus_pr(labels[2000:], scores, 60))
    assert np.mean(volumes) >= floor
