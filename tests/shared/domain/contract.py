"""Series, parameters and helpers of the contract tests, which run for every detector."""

import json
import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

from shared.domain.detectors import registry
from shared.domain.detectors.contract import LARGEST, Detector, Scores
from shared.domain.detectors.parameters import AlarmRate, Choice, Number, Parameter, complete
from shared.domain.detectors.states import Fitted
from shared.domain.series import Series, Values
from shared.errors import InputError

AnyDetector = Detector[Any]

POINTS = 200
INTERVAL_S = 10_800  # so that the points hold days and weeks
EXTREMES = np.array([0.0, -0.0, 5e-324, -5e-324, 1.0, -1.0, 1e154, -1e154, LARGEST, -LARGEST])


def random_walk(points: int) -> Values:
    return np.random.default_rng(points).normal(size=points).cumsum()


SERIES: dict[str, Values] = {
    "random walk": random_walk(POINTS),
    "noise on a large offset": 1e12 + np.random.default_rng(1).normal(size=POINTS),
    "neighboring floats": np.where(np.arange(POINTS) % 3, 1e15, math.nextafter(1e15, math.inf)),
    "tiny": 1e-300 * random_walk(POINTS),
    "the smallest floats": np.array([0.0, 5e-324, 1e-323, 1.5e-323])[np.arange(POINTS) % 4],
    "huge": 1e150 * np.tanh(random_walk(POINTS)),
    "two values": (np.arange(POINTS) % 2).astype(np.float64),
    "one outlier": np.where(np.arange(POINTS) == POINTS // 2, 1.0, 0.0),
    "ramp": np.arange(POINTS) / 1.0,
}


def parameter_sets(detector: AnyDetector) -> Iterator[dict[str, Any]]:
    """Yield all combinations of choices, alarm rates, and numbers at their default, smallest and largest value."""
    for values in product(*map(alternatives, detector.parameters)):
        yield complete(
            detector.parameters,
            {parameter.name: value for parameter, value in zip(detector.parameters, values, strict=True)},
        )


def alternatives(parameter: Parameter) -> Sequence[Any]:
    if isinstance(parameter, Choice):
        return parameter.options
    if isinstance(parameter, Number):
        return (parameter.default, math.nextafter(parameter.above, math.inf), parameter.most)
    return (parameter.default, "1 in 7") if isinstance(parameter, AlarmRate) else (parameter.default,)


def each(but: Sequence[str] = ()) -> pytest.MarkDecorator:
    """Run the test for every detector except those named, with its defaults."""
    cases = [
        pytest.param(detector, complete(detector.parameters, {}), id=detector.name)
        for detector in registry().values()
        if detector.name not in but
    ]
    return pytest.mark.parametrize(("detector", "parameters"), cases)


def each_fit(but: Sequence[str] = ()) -> pytest.MarkDecorator:
    """Run the test for every detector except those named, with all its `parameter_sets` on all series it accepts."""
    cases = [
        pytest.param(
            detector, parameters, values, id=f"{name}-{detector.name}-{'-'.join(map(str, parameters.values()))}"
        )
        for detector in registry().values()
        if detector.name not in but
        for parameters in parameter_sets(detector)
        for name, values in SERIES.items()
        if not rejects(detector, values, parameters)
    ]
    return pytest.mark.parametrize(("detector", "parameters", "values"), cases)


def rejects(detector: AnyDetector, values: Values, parameters: dict[str, Any]) -> bool:
    try:
        detector.check(series_of(values), parameters)
    except InputError:
        return True
    return False


STEPS = st.lists(st.integers(-50, 50), min_size=5, max_size=40).filter(lambda steps: len(set(steps)) > 1)


def long_enough(detector: AnyDetector, steps: list[int]) -> Values:
    """Return the steps in eighths, repeated until the detector has enough points."""
    return np.resize(np.array(steps), max(len(steps), detector.min_points)) / 8


def series_of(values: Values) -> Series:
    return Series(np.arange(len(values)) * INTERVAL_S, values)


def fit_anew(detector: AnyDetector, values: Values, parameters: dict[str, Any]) -> Any:
    return detector.fit(series_of(values), parameters, lambda _share: None)


def fit(detector: AnyDetector, values: Values, parameters: dict[str, Any]) -> Any:
    """Fit each series only once per process; states are immutable."""
    return _fitted(detector.name, values.tobytes(), json.dumps(parameters))


@cache
def _fitted(name: str, values: bytes, parameters: str) -> Any:
    return fit_anew(registry()[name], np.frombuffer(values), json.loads(parameters))


def score(detector: AnyDetector, state: Any, values: Values) -> Scores:
    return detector.score(state, values, np.arange(len(values)) * INTERVAL_S, np.empty(0))


def bits(state: Any) -> dict[str, Any]:
    """Return the state's fields with numbers as bytes, for bitwise comparison."""
    return {field.name: _bits(getattr(state, field.name)) for field in fields(state)}


def _bits(value: Any) -> Any:
    if isinstance(value, Fitted):
        return value.detector.name, bits(value.state)
    if is_dataclass(value):
        return bits(value)
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{value.shape}".encode() + value.tobytes()
    return struct.pack("d", value) if isinstance(value, float) else repr(value)


def columns(scores: Scores) -> list[Values]:
    return [column for column in (scores.score, scores.expected, scores.lower, scores.upper) if column is not None]


def around(values: Values) -> Values:
    """Return increasing values in, near and far from a series."""
    middle, span = values.mean(), np.ptp(values)
    with np.errstate(over="ignore"):
        wide: Values = np.clip(middle + span * np.linspace(-9, 9, 181), -LARGEST, LARGEST)
    return wide
