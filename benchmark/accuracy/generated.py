"""Generated series with known events: they need no download, and no detector is tuned to them.

A family imitates series of one origin. The second half of a series contains one event of each kind; the seed sets
their order and positions.
"""

from collections.abc import Callable, Mapping

import numpy as np

from benchmark.accuracy.labeled import START, LabeledSeries
from benchmark.accuracy.measures import Scores
from shared.domain.series import Series

CORPUS = "generated"
INTERVAL_S = 300
EVENT = 48  # points per event, except spikes

Random = np.random.Generator
Family = Callable[[Random, int], Scores]  # returns this many points, with a spread of about 1
Event = Callable[[Random, Scores], Scores]  # alters a span of values


def series_of(family: str, seed: int, points: int) -> LabeledSeries:
    """Generate a series with no events in its first half, and each of `EVENTS` once in its second."""
    random = np.random.default_rng([seed, sorted(FAMILIES).index(family)])
    values, labels = FAMILIES[family](random, points), np.zeros(points, dtype=np.bool_)
    room = (points - points // 2) // len(EVENTS)
    for place, name in enumerate(random.permutation(sorted(EVENTS)).tolist()):
        length = 1 if name == "spike" else EVENT
        start = points // 2 + place * room + int(random.integers(room // 4, room - EVENT))
        values[start : start + length] = EVENTS[name](random, values[start : start + length])
        labels[start : start + length] = True
    series = Series(START + INTERVAL_S * np.arange(points), values)
    return LabeledSeries(CORPUS, family, f"{family}-{seed}", series, labels, points // 2)


def _rhythm(random: Random, points: int) -> Scores:
    """Simulate a rotating machine: one frequency and a little noise."""
    return np.sin(2 * np.pi * np.arange(points) / 60) + 0.1 * random.normal(size=points)


def _heartbeat(random: Random, points: int) -> Scores:
    """Simulate a pulse whose period varies by a few percent, with the peaks of an electrocardiogram."""
    beats = np.cumsum(90 + 3 * random.normal(size=points // 80 + 2)) - 90
    distance = np.arange(points)[:, None] - beats
    pulse = np.zeros(points)
    for height, place, width in ((0.3, -18.0, 4.0), (3.0, 0.0, 1.5), (-0.8, 4.0, 2.0), (0.7, 25.0, 7.0)):
        pulse += height * np.exp(-(((distance - place) / width) ** 2)).sum(axis=1)
    return pulse + 0.05 * random.normal(size=points)


def _server(random: Random, points: int) -> Scores:
    """Simulate a load with a daily rhythm, noise proportional to it, and short peaks that are normal."""
    phase = 2 * np.pi * np.arange(points) / 288
    load = 1.5 + np.sin(phase) + 0.3 * np.sin(2 * phase + 1)
    peaks = random.exponential(1.5, size=points) * (random.random(points) < 0.01)
    return load * (1 + 0.1 * random.normal(size=points)) + peaks


def _sensor(random: Random, points: int) -> Scores:
    """Simulate a temperature that drifts: an autoregressive process."""
    steps = 0.2 * random.normal(size=points)
    values = np.empty(points)
    values[0] = random.normal()
    for place in range(1, points):
        values[place] = 0.98 * values[place - 1] + steps[place]
    return values + 0.05 * random.normal(size=points)


def _counts(random: Random, points: int) -> Scores:
    """Simulate counts that are lower at night."""
    rate = 6 + 5 * np.sin(2 * np.pi * np.arange(points) / 288)
    return random.poisson(rate).astype(np.float64) / 4


def _switched(random: Random, points: int) -> Scores:
    """Simulate a switch that toggles at random intervals."""
    flips = np.cumsum(random.integers(15, 45, size=points // 15 + 1))
    return (np.searchsorted(flips, np.arange(points), side="right") % 2) * 2.0 + 0.1 * random.normal(size=points)


def _drift(_random: Random, values: Scores) -> Scores:
    return values + np.linspace(0, 2.5, len(values))


def _faster(_random: Random, values: Scores) -> Scores:
    """Double the speed."""
    return np.tile(values[::2], 2)[: len(values)]


FAMILIES: Mapping[str, Family] = {
    "counts": _counts,
    "heartbeat": _heartbeat,
    "rhythm": _rhythm,
    "sensor": _sensor,
    "server": _server,
    "switched": _switched,
}
EVENTS: Mapping[str, Event] = {
    "drift": _drift,
    "faster": _faster,
    "flat line": lambda _, values: np.full(len(values), values[0]),
    "noise": lambda random, values: values + 0.7 * random.normal(size=len(values)),
    "shift": lambda _, values: values + 1.5,
    "spike": lambda _, values: values + 4.0,
}
