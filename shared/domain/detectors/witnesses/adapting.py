"""The boundary that adapts: it rises with each alarm and falls while it is quiet, so that alarms stay rare.

A boundary learned once holds while the future resembles the past. If a series changes completely, every
point would be an alarm. Here the logarithm of the boundary follows the alarms [Gibbs, Candes: Adaptive conformal
inference under distribution shift, 2021]. The price: a long event is reported where it begins, and then absorbed.

It is a fold over points: `carry` is all that it remembers.
"""

import math

import numpy as np

from shared.domain.detectors.contract import MAX_SCORE, Carry
from shared.domain.series import Values

RISE = 0.1  # at an alarm, the logarithm of the boundary rises by this,
JUMP = 0.35  # and by this share of the way to the logarithm of the score
DECAY = 0.004  # share of the logarithm that a quiet point takes away: short events are forgotten in some hundred points
FALLS = 40.0  # rises that are undone in the time in which the alarm rate expects one alarm
ALERT_GAP = 16  # points: an alarm closer to the previous one belongs to the same alert
MEMORY = 4_000  # points over which alerts are counted
PATIENCE = 4.0  # the fall is divided by 1 + this times the recent alerts, in units of the alarm rate
RATES = (1e-5, 0.05)  # alarm rates are clipped here

# the logarithm of the boundary, recent alerts in units of the alarm rate, and points since the last alarm
START: Carry = np.array([0.0, 0.0, ALERT_GAP])


def adapted(scores: Values, alarm_rate: float, carry: Carry = START) -> tuple[Values, Carry]:
    """Return the boundary (m,) of each of the scores (m,), at least 1, and the carry (3,) after the last one."""
    # no score exceeds the highest boundary, so no series can alarm forever
    rate = min(max(alarm_rate, RATES[0]), RATES[1])
    level, alerts, quiet = carry.tolist()
    fall, highest, forgetting = FALLS * RISE * rate, math.log(MAX_SCORE), 1 / MEMORY
    levels = []
    for score in np.log(np.maximum(scores, 1e-9)).tolist():
        levels.append(level)
        if score > level:
            level = min(level + RISE + JUMP * (score - level), highest)
            alerts += forgetting * (1 / rate - alerts) if quiet >= ALERT_GAP else 0.0
            quiet = 0.0
        else:
            level = max(level - (fall + DECAY * level) / (1 + PATIENCE * alerts), 0.0)
            alerts -= forgetting * alerts
            quiet = min(quiet + 1, ALERT_GAP)
    return np.exp(np.array(levels)), np.array([level, alerts, quiet])
