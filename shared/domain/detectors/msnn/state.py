"""What multi-scale nearest neighbours learnt, and how far values are from it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from shared.domain.detectors.forecasts import Forecast
from shared.domain.detectors.msnn.bank import Bank, vector_length, vectors
from shared.domain.detectors.msnn.rhythm import Rhythm
from shared.domain.detectors.msnn.weighing import SMOOTHED, STRIDE
from shared.domain.detectors.standards import Places, Standard
from shared.domain.series import Timestamps, Values


@dataclass(frozen=True)  # without slots: the banks are prepared once, on first use
class Msnn:
    """What was learnt. Vectors are in units of `spread`; times are seconds since the epoch."""

    centre: float
    spread: float
    scales: NDArray[np.int64]  # (s,) window lengths, increasing
    counts: NDArray[np.int64]  # (s,) windows in the bank of each
    vectors: NDArray[np.float16]  # all banks one after another
    times: NDArray[np.int64]  # of the last point of each window, one bank after another
    lasts: Values  # the value of that point
    usual: Values  # (s,) the distance that one in a hundred windows exceeds
    lags: int
    bends: int
    weights: Values
    usual_error: float  # of the forecast, exceeded by one in a hundred
    trust: float  # in the forecast, 0 to 1
    rhythm_period: float  # in intervals
    rhythm_levels: Values
    usual_rhythm_error: float
    rhythm_trust: float
    boundary: float  # the sum at which the score is 1
    period: int  # points; 0 = none was found
    share: float  # of false alarms
    promise: str
    first_timestamp: int
    last_timestamp: int
    interval_s: float
    tail: Values

    @cached_property
    def banks(self) -> list[Bank]:
        """The windows to compare with, one bank for each scale."""
        banks, at, start = [], 0, 0
        for length, count in zip(self.scales.tolist(), self.counts.tolist(), strict=True):
            size = count * vector_length(length)
            content = self.vectors[at : at + size].astype(np.float32).reshape(count, -1)
            banks.append(Bank.of(content, self.times[start : start + count]))
            at, start = at + size, start + count
        return banks

    @property
    def standard(self) -> Standard:
        """How values are made comparable."""
        return Standard(self.centre, self.spread)

    @property
    def forecast(self) -> Forecast:
        """What the next value will be."""
        return Forecast(self.lags, self.bends, self.weights)

    @property
    def rhythm(self) -> Rhythm:
        """What a value is at its place in a period."""
        return Rhythm(self.rhythm_period, self.rhythm_levels, self.usual_rhythm_error, self.rhythm_trust)

    @property
    def needed_points(self) -> int:
        """The longest window, as often as it is smoothed."""
        return int(self.scales[-1]) - 1 + SMOOTHED - STRIDE

    def steps(self, timestamps: Timestamps) -> Values:
        """Times in usual intervals since the first training point."""
        return (timestamps - self.first_timestamp) / self.interval_s

    def distances(self, bank: Bank, sums: Values, ends: Places, length: int, times: Places) -> Values:
        """From the nearest windows; one among the training values is not compared with itself and its neighbours."""
        wanted = vectors(sums, ends, length)
        times = times[-len(ends) :]
        trained = times[0] <= self.last_timestamp and times[-1] >= self.first_timestamp
        reach = max(length // 2, 4) * self.interval_s
        nearest, _ = bank.nearest(wanted, times, reach) if trained else bank.nearest(wanted)
        return nearest.astype(np.float64)

    def errors(self, joined: Values) -> Values:
        """Errors (m,) of the forecast, in units of the usual; 0 for the first standardized values, which have none."""
        errors = np.zeros(len(joined))
        if len(joined) > self.lags and self.trust > 0:
            expected = self.forecast.of(joined[:-1])
            errors[self.lags :] = np.abs(joined[self.lags :] - expected)
        return errors / self.usual_error
