"""The boundary that adapts: it rises with each alarm and falls while it is quiet, so that alarms stay rare.

A boundary learned once holds while the future resembles the past. Where a series turns into something else, every
point would be an alarm. Here the logarithm of the boundary follows the alarms [Gibbs, Candes: Adaptive conformal
inference under distribution shift, 2021]. The price: a long event is reported where it begins, and then absorbed.

It is a fold over points: `carry` is all that it remembers.
"""

import math

import numpy as np

from shared.domain.detectors.contract import Carry
from shared.domain.series import Values

RISE = 0.1  # of the logarithm of the boundary, at an alarm,
JUMP = 0.2  # and this share of the way to the logarithm of the score
FALLS = 40.0  # alarms at the alarm rate that a rise lasts for
HIGHEST = 100.0  # as the largest score, so that no series can alarm for ever
MEMORY = 2_000  # points over which alarms are counted
PATIENCE = 0.7  # how much slower the boundary falls for each time that alarms exceed their rate
RATES = (1e-5, 0.05)  # alarm rates outside are treated like these

START: Carry = np.zeros(2)  # the logarithm of the boundary, and recent alarms in units of the alarm rate


def adapted(scores: Values, alarm_rate: float, carry: Carry = START) -> tuple[Values, Carry]:
    """Return the boundary (m,) of each of the scores (m,), at least 1, and the carry (2,) after the last one."""
    rate = min(max(alarm_rate, RATES[0]), RATES[1])
    level, alarms = carry.tolist()
    fall, highest, forgetting = FALLS * RISE * rate, math.log(HIGHEST), 1 / MEMORY
    levels = []
    for score in np.log(np.maximum(scores, 1e-9)).tolist():
        levels.append(level)
        if score > level:
            level = min(level + RISE + JUMP * (score - level), highest)
            alarms += forgetting * (1 / rate - alarms)
        else:
            level = max(level - fall / (1 + PATIENCE * alarms), 0.0)
            alarms -= forgetting * alarms
    return np.exp(np.array(levels)), np.array([level, alarms])
