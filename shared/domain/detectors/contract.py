"""What a detector is: a frozen bundle of two pure functions, the type of their state, and words about them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from shared.domain.detectors.parameters import Choice, Number
from shared.domain.series import Series, Timestamps, Values

LARGEST = float(np.finfo(np.float64).max)

State = TypeVar("State")
Progress = Callable[[float], None]  # called with the share done, 0 to 1; may raise to stop the fit
ParameterValues = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Scores:
    """What a detector says of n points. Every array is (n,) and finite; None where the detector says nothing."""

    score: Values  # 0 = as expected; 1.0 = the decision boundary; anomaly means score > 1
    expected: Values | None
    lower: Values | None  # the normal band; None = open on that side, or no band at all
    upper: Values | None


@dataclass(frozen=True)
class Detector(Generic[State]):
    """One algorithm. Its file defines `DETECTOR`; the registry finds it there."""

    name: str
    purpose: str
    cost: str
    min_points: int  # fewest it can learn from
    context_points: int  # how many recent values a prediction needs beside the point itself
    parameters: tuple[Number | Choice, ...]
    state: type[State]  # a frozen dataclass of numbers, strings and float64 arrays
    fit: Callable[[Series, ParameterValues, Progress], State]
    score: Callable[[State, Values, Timestamps, Values], Scores]  # state, values (n,), timestamps (n,), context (m,)
    learnt: Callable[[State], dict[str, float]]  # the state's main numbers, for people


def clipped(array: Values) -> Values:
    """The same with infinities replaced by the largest finite numbers."""
    return np.clip(array, -LARGEST, LARGEST)
