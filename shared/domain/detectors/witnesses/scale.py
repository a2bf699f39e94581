"""The scale on which values are compared: standardized, after a logarithm where they are positive and skewed."""

from dataclasses import dataclass

import numpy as np

from shared.domain.detectors.contract import clipped
from shared.domain.detectors.standards import Standard
from shared.domain.series import Values

FEWEST_FOR_LOGARITHM = 30
SKEWED = 2.5  # times as far from the median to the 98th percentile as to the 2nd
LARGEST_EXPONENT = 700.0


@dataclass(frozen=True, slots=True)
class Scale:
    """Conversion of values to standardized ones, and back."""

    is_logarithmic: bool
    offset: float  # added before the logarithm, so that zero and values near it stay finite
    standard: Standard

    @classmethod
    def of(cls, values: Values) -> "Scale":
        """Choose the scale of values (n,): the logarithm only if it makes them less skewed."""
        low, middle, high = np.quantile(values, (0.02, 0.5, 0.98)).tolist()
        is_logarithmic = (
            len(values) >= FEWEST_FOR_LOGARITHM
            and float(values.min()) > 0
            and high - middle > SKEWED * (middle - low)
            and bool(np.log(high / middle) < SKEWED * np.log(middle / low))
        )
        offset = 0.1 * float(values.min()) if is_logarithmic else 0.0
        scaled = np.log(values + offset) if is_logarithmic else values
        return cls(is_logarithmic, offset, Standard.of(scaled))

    def standardized(self, values: Values) -> Values:
        """Return values (m,) as distances from the level in spreads."""
        if self.is_logarithmic:
            values = np.log(np.maximum(values, 0.0) + self.offset)
        return self.standard.standardized(values)

    def restored(self, standardized: Values) -> Values:
        """Return standardized values (m,) in the unit of the series; finite."""
        with np.errstate(over="ignore"):
            values = self.standard.center + self.standard.spread * standardized
        if self.is_logarithmic:
            return np.asarray(np.exp(np.minimum(values, LARGEST_EXPONENT)) - self.offset)
        return clipped(values)
