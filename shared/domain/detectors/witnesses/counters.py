"""Counters, such as requests since the start of a process: they rise, and sometimes reset to near zero.

A counter is judged by its increments: its level only shows how long the process has been running.
"""

import numpy as np

from shared.domain.series import Values

FEWEST_POINTS = 20
MOST_RESETS = 0.02  # of the steps
NEAR_ZERO = 0.1  # of the previous value: a reset falls to at most this


def is_counter(values: Values) -> bool:
    """Recognize a counter by its values (n,): never negative, nearly always rising, falling only to near zero."""
    if len(values) < FEWEST_POINTS or values.min() < 0 or values[-1] == values[0]:
        return False
    falls = values[1:] < values[:-1]
    rising = float((values[1:] > values[:-1]).mean())
    if falls.mean() > MOST_RESETS or rising < 0.8:
        return False
    if not falls.any():
        return True
    return rising >= 0.9 and bool(np.all(values[1:][falls] <= NEAR_ZERO * values[:-1][falls]))


def increments(values: Values, usual: float) -> Values:
    """Return the increments (m - 1,) of values (m,); a reset to near zero counts as the `usual` increment."""
    with np.errstate(over="ignore"):
        steps = np.diff(values)
    highest = np.abs(values[:-1]).max(initial=0.0)
    is_reset = (steps < 0) & (values[1:] >= 0) & (values[1:] <= max(usual, 0.02 * highest))
    return np.where(is_reset, usual, steps)
