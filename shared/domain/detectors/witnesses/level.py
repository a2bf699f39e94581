"""Level: a value far from the usual level, relative to the spread on its side."""

from dataclasses import dataclass

import numpy as np

from shared.domain.detectors.standards import robust_spread
from shared.domain.detectors.witnesses.calibration import Sides
from shared.domain.series import Flags, Values

FEWEST_TO_DRIFT = 60
MOST_ALARMS_OF_DRIFT = 0.05  # share of the last quarter that a level learned from the first three may flag
MIN_SPREAD = 1e-12


@dataclass(frozen=True, slots=True)
class Level:
    """The spread of each side of the level, which is 0 in standardized values, and where alarms begin."""

    upper_spread: float
    lower_spread: float
    sides: Sides  # in these spreads

    @classmethod
    def of(cls, values: Values, usable: Flags, share: float) -> "Level":
        """Learn from standardized values (n,)."""
        upper, lower = spreads(values[usable])
        level = cls(upper, lower, Sides(1.0, 1.0))
        return cls(upper, lower, Sides.of(level.residuals(np.where(usable, values, np.nan)), share, 1.0))

    def residuals(self, values: Values) -> Values:
        """Return standardized values (m,) in spreads of their side."""
        return np.where(values > 0, values / self.upper_spread, values / self.lower_spread)

    def ratios(self, values: Values) -> Values:
        """Return ratios (m,) of standardized values (m,)."""
        return self.sides.ratios(self.residuals(values))

    @property
    def half_widths(self) -> tuple[float, float]:
        """The width of the band above and below the level."""
        return self.upper_spread * self.sides.upper, self.lower_spread * self.sides.lower


def spreads(values: Values) -> tuple[float, float]:
    """Return the spread of values (n,) above and below 0, the level."""
    usual = max(robust_spread(values), MIN_SPREAD)
    above, below = (_one_sided_spread(side[side > 0], usual) for side in (values, -values))
    return above, below


def _one_sided_spread(distances: Values, usual: float) -> float:
    """Return the robust spread of distances (m,) > 0 from the level; at least a tenth of that of both sides."""
    return max(1.4826 * float(np.median(distances)) if len(distances) else usual, 0.1 * usual)


def drifts(values: Values, usable: Flags, share: float, alarm_rate: float) -> bool:
    """Return whether a level learned from the first three quarters would flag much of the last one.

    values: (n,) standardized. A drifting level cannot be a witness.
    """
    if len(values) < FEWEST_TO_DRIFT:
        return False
    split = len(values) * 3 // 4
    before, after = values[:split][usable[:split]], values[split:][usable[split:]]
    if len(before) < 20 or len(after) < 10:
        return False
    center, spread = float(np.median(before)), max(robust_spread(before), MIN_SPREAD)
    sides = Sides.of((before - center) / spread, share, 1.0)
    alarms = float((sides.ratios((after - center) / spread) > 1).mean())
    return alarms > max(20 * alarm_rate, MOST_ALARMS_OF_DRIFT)
