"""State of multi-scale nearest neighbors, and distances of values from it."""

from dataclasses import dataclass

import numpy as np

from shared.domain.detectors.alarms import Boundary
from shared.domain.detectors.contract import TrainingEnd
from shared.domain.detectors.forecasts import Forecast, Trial
from shared.domain.detectors.msnn.bank import Layout, Scale, TrainingWindows, vectors
from shared.domain.detectors.msnn.rhythm import Rhythm
from shared.domain.detectors.msnn.weighing import BACK, ERROR_FLOOR, trust_in, usual
from shared.domain.detectors.standards import Indices, Standard
from shared.domain.series import Timestamps, Values


@dataclass(frozen=True, slots=True)
class TrustedForecast:
    """A one-step forecast, its usual error, and how far to trust it."""

    forecast: Forecast
    usual_error: float  # 99th percentile of the held-out errors
    trust: float  # 0 to 1; 0 = its errors do not count

    @classmethod
    def of(cls, trial: Trial) -> "TrustedForecast":
        """Trust it according to its held-out skill."""
        return cls(trial.forecast, usual(trial.residuals, ERROR_FLOOR), trust_in(trial.skill))

    def errors(self, joined: Values) -> Values:
        """Return errors of standardized values (m,), relative to the usual; 0 for the first, which have no forecast."""
        errors, lags = np.zeros(len(joined)), self.forecast.lags
        if len(joined) > lags and self.trust > 0:
            errors[lags:] = np.abs(joined[lags:] - self.forecast.of(joined[:-1]))
        return errors / self.usual_error


@dataclass(frozen=True, slots=True)
class Msnn:
    """Learned state. Windows, forecast and rhythm are of standardized values."""

    standard: Standard
    windows: TrainingWindows
    forecast: TrustedForecast
    rhythm: Rhythm
    boundary: Boundary  # of the sum of all parts
    share: float  # of false alarms
    period: int  # points; 0 = none found
    first_timestamp: int
    end: TrainingEnd

    @property
    def needed_points(self) -> int:
        """Values needed before a point: the longest window, and the points over which distances are smoothed."""
        return int(self.windows.lengths[-1]) - 1 + BACK

    def steps(self, timestamps: Timestamps) -> Values:
        """Return times in median intervals since the first training point."""
        return (timestamps - self.first_timestamp) / self.end.interval_s

    def distances(self, scale: Scale, sums: Values, ends: Indices, times: Timestamps) -> Values:
        """Return the distances (m,) of the windows that end at `ends` (m,) from the nearest, relative to the usual.

        A window of the training values is not compared with itself and its neighbors.
        sums: (n + 1,) cumulative, of the standardized values; times: (m,) of the ends.
        """
        queries = vectors(sums, ends, Layout.of((scale.length,)))
        trained = times[0] <= self.end.last_timestamp and times[-1] >= self.first_timestamp
        reach = max(scale.length // 2, 4) * self.end.interval_s
        nearest, _ = scale.bank.nearest(queries, times, reach) if trained else scale.bank.nearest(queries)
        return nearest.astype(np.float64) / scale.usual_distance
