"""The boundary that adapts: it rises with each alarm and falls while it is quiet, so that alarms stay rare.

A boundary learned once holds while the future resembles the past. If a series changes completely, every
point would be an alarm. Here the logarithm of the boundary follows the alarms [Gibbs, Candes: Adaptive conformal
inference under distribution shift, 2021]. The price: a long event is reported where it begins, and then absorbed.

It is a fold over points: `carry` is all that it remembers.
"""

import math

import numpy as np

from shared.domain.detectors.contract import Carry
from shared.domain.series import Values

RISE = 0.1  # at an alarm, the logarithm of the boundary rises by this,
JUMP = 0.35  # and by this share of the way to the logarithm of the score
DECAY = (
    0.004  # share of the logarithm that a quiet point takes away: a short event is forgotten within some hundred points
)
FALLS = 40.0  # rises that are undone in the time in which the alarm rate expects one alarm
HIGHEST = 100.0  # the largest score: no score exceeds this boundary, so no series can alarm forever
MEMORY = 2_000  # points over which alarms are counted
PATIENCE = 0.7  # the fall is divided by 1 + this times the recent alarms, in units of the alarm rate
RATES = (1e-5, 0.05)  # alarm rates are clipped here

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
            level = max(level - (fall + DECAY * level) / (1 + PATIENCE * alarms), 0.0)
            alarms -= forgetting * alarms
    return np.exp(np.array(levels)), np.array([level, alarms])
