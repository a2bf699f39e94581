"""Incidents among the training values: so few and so far out that they must not choose the boundary they lie beyond."""

import numpy as np

from shared.domain.detectors.standards import robust_spread
from shared.domain.series import Flags, Values

INCIDENT = 20.0  # deviations beyond which a training value is an incident,
MOST_INCIDENTS = 0.01  # if at most this share of the values is


def drop_incident_distances(distances: Values) -> Values:
    """The distances (m,), in deviations, without those of incidents."""
    return distances[~_incidents(distances)]


def drop_incidents(values: Values) -> Values:
    """The values without incidents, measured in robust deviations; all of them if the rest would be constant."""
    spread = robust_spread(values)
    if not spread:
        return values
    rest = values[~_incidents(np.abs(values - np.median(values)) / spread)]
    return values if rest.min() == rest.max() else rest


def _incidents(distances: Values) -> Flags:
    far: Flags = distances > INCIDENT
    return far if far.mean() <= MOST_INCIDENTS else np.zeros(len(far), dtype=np.bool_)
