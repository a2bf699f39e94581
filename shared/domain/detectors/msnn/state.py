"""What multi-scale nearest neighbors learned, and how far values are from it."""

from dataclasses import dataclass

import numpy as np

from shared.domain.detectors.alarms import Boundary
from shared.domain.detectors.contract import TrainingEnd
from shared.domain.detectors.forecasts import Forecast, Trial
from shared.domain.detectors.msnn.bank import Scale, TrainingWindows, vectors
from shared.domain.detectors.msnn.rhythm import Rhythm
from shared.domain.detectors.msnn.weighing import BACK, ERROR_FLOOR, trust_in, usual
from shared.domain.detectors.standards import Places, Standard
from shared.domain.series import Timestamps, Values


@dataclass(frozen=True, slots=True)
class TrustedForecast:
    """A one-step forecast, its usual error, and how far to trust it."""

    forecast: Forecast
    usual_error: float  # exceeded by one held-out value in a hundred
    trust: float  # 0 to 1; 0 = its errors do not count

    @classmethod
    def of(cls, trial: Trial) -> "TrustedForecast":
        """Trust it as far as it predicted the points held out."""
        return cls(trial.forecast, usual(trial.residuals, ERROR_FLOOR), trust_in(trial.skill))

    def errors(self, joined: Values) -> Values:
        """Errors of standardized values (m,) in units of the usual; 0 for the first, which have no forecast."""
        errors, lags = np.zeros(len(joined)), self.forecast.lags
        if len(joined) > lags and self.trust > 0:
            errors[lags:] = np.abs(joined[lags:] - self.forecast.of(joined[:-1]))
        return errors / self.usual_error


@dataclass(frozen=True, slots=True)
class Msnn:
    """What was learned. Windows, forecast and rhythm are of standardized values."""

    standard: Standard
    windows: TrainingWindows
    forecast: TrustedForecast
    rhythm: Rhythm
    boundary: Boundary  # of the sum of all parts
    share: float  # of false alarms
    period: int  # points; 0 = none was found
    first_timestamp: int
    end: TrainingEnd

    @property
    def needed_points(self) -> int:
        """Values before a point: the longest window, and the points over which distances are smoothed."""
        return int(self.windows.lengths[-1]) - 1 + BACK

    def steps(self, timestamps: Timestamps) -> Values:
        """Times in usual intervals since the first training point."""
        return (timestamps - self.first_timestamp) / self.end.interval_s

    def distances(self, scale: Scale, sums: Values, ends: Places, times: Timestamps) -> Values:
        """Distances (m,) of the windows that end at `ends` (m,) from the nearest, in units of the usual.

        A window among the training values is not compared with itself and its neighbors.
        sums: (n + 1,) cumulative, of the standardized values; times: (m,) of the ends.
        """
        wanted = vectors(sums, ends, scale.length)
        trained = times[0] <= self.end.last_timestamp and times[-1] >= self.first_timestamp
        reach = max(scale.length // 2, 4) * self.end.interval_s
        nearest, _ = scale.bank.nearest(wanted, times, reach) if trained else scale.bank.nearest(wanted)
        return nearest.astype(np.float64) / scale.usual_distance
