"""Incidents among the training values: so few and so far out that they must not choose the boundary they lie beyond."""

import numpy as np
from numpy.typing import NDArray

from shared.domain.detectors.standards import robust_spread
from shared.domain.series import Values

WILD = 20.0  # deviations beyond which a training value is an incident,
FEW = 0.01  # if at most this share of the values is


def calm(distances: Values) -> Values:
    """The distances (m,), in deviations, less those of incidents."""
    return distances[~_wild(distances)]


def without_incidents(values: Values) -> Values:
    """The values less those many robust deviations from the median; all of them where the rest is alike."""
    spread = robust_spread(values)
    wild = _wild(np.abs(values - np.median(values)) / spread) if spread else np.zeros(len(values), dtype=np.bool_)
    rest = values[~wild]
    return values if rest.min() == rest.max() else rest


def _wild(distances: Values) -> NDArray[np.bool_]:
    wild: NDArray[np.bool_] = distances > WILD
    return wild if wild.mean() <= FEW else np.zeros(len(wild), dtype=np.bool_)
