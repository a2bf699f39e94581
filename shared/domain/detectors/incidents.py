"""Incidents among the training values: so few and so far out that they must not influence the boundary."""

import numpy as np

from shared.domain.detectors.standards import robust_spread
from shared.domain.series import Flags, Values

INCIDENT = 20.0  # deviations: a training value farther out is an incident,
MOST_INCIDENTS = 0.01  # unless more than this share of the values is


def drop_incident_distances(distances: Values) -> Values:
    """Return the distances (m,), in deviations, without those of incidents."""
    return distances[~_incidents(distances)]


def drop_incidents(values: Values) -> Values:
    """Return the values without incidents; all values if the remaining ones would be constant."""
    spread = robust_spread(values)
    if not spread:
        return values
    kept = values[~_incidents(np.abs(values - np.median(values)) / spread)]
    return values if kept.min() == kept.max() else kept


def _incidents(distances: Values) -> Flags:
    far: Flags = distances > INCIDENT
    return far if far.mean() <= MOST_INCIDENTS else np.zeros(len(far), dtype=np.bool_)
