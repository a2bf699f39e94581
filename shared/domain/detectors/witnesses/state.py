"""Learned state of a series: the witnesses that it supports, and how they are combined."""

from dataclasses import dataclass, replace

import numpy as np

from shared.domain.detectors.alarms import Tail
from shared.domain.detectors.contract import TrainingEnd
from shared.domain.detectors.witnesses.forecast import Forecast
from shared.domain.detectors.witnesses.level import Level
from shared.domain.detectors.witnesses.recent import Recent
from shared.domain.detectors.witnesses.scale import Scale
from shared.domain.detectors.witnesses.season import Season
from shared.domain.detectors.witnesses.shape import Shape
from shared.domain.detectors.witnesses.stuck import Stuck
from shared.domain.detectors.witnesses.vocabulary import Vocabulary
from shared.domain.series import Series, Timestamps, Values

FOLDED, MOST_FOLDED = 32, 512  # values before a point that its boundary adapts to: requested, and at most
MOST_WINDOW = 1_600  # values before a point that affect its ratios, at most


@dataclass(frozen=True, slots=True)
class Auto:
    """All witnesses of a series; None for one that the history does not support."""

    alarm_rate: float  # share of the normal points that may be an anomaly
    promise: str
    scale: Scale
    usual_increment: float  # of a counter; 0 = the series is not a counter
    never_negative: bool
    spread: float  # of the level, in standardized values
    level: Level | None
    season: Season | None
    forecast: Forecast | None
    recent: Recent
    stuck: Stuck
    vocabulary: Vocabulary
    shape: Shape | None
    common: float  # factor by which all ratios are divided, so that their maximum keeps the alarm rate
    tail: Tail  # of the largest held-out scores, from which the rarity of a score is estimated
    expected_by: str  # the witness whose expectation errs least: level, season or forecast
    end: TrainingEnd
    points: int  # training points of the newest regime, the only ones learned from
    first_timestamp: int  # of the newest regime
    incident_points: int  # points of the newest regime that were left out

    @property
    def context_points(self) -> int:
        """Number of values before a point that the detector asks for."""
        return self.window + FOLDED

    @property
    def window(self) -> int:
        """Number of values before a point that affect its ratios."""
        longest = int(self.shape.lengths[-1]) if self.shape else 0
        lags = self.forecast.rule.lags if self.forecast else 0
        return max(longest, int(self.recent.windows.max(initial=0)) + lags, self.season.need if self.season else 0) + 32

    @property
    def least(self) -> int:
        """Number of values before a point without which no calibrated witness can judge it."""
        if self.level or (self.season and not self.season.need):
            return 0
        return self.forecast.rule.lags if self.forecast else self.window

    @property
    def level_widths(self) -> tuple[float, float]:
        """The widths of the band above and below the level, standardized."""
        return self.level.half_widths if self.level else (3 * self.spread, 3 * self.spread)  # a drifting level has none

    def sizes(self, errors: Values | None) -> Values | None:
        """Return the errors (m,) of the forecast, given in spreads, in standardized values, as the shape needs them."""
        return None if errors is None or self.forecast is None else errors * self.forecast.spread

    def widths(self, timestamps: Timestamps) -> tuple[Values, Values]:
        """Return the widths (m,) of the band above and below what is expected, at timestamps (m,), standardized."""
        if self.expected_by == "season" and self.season:
            return self.season.half_widths(timestamps)
        by_forecast = self.expected_by == "forecast" and self.forecast
        above, below = by_forecast.half_widths if by_forecast else self.level_widths
        return np.full(len(timestamps), above), np.full(len(timestamps), below)

    def ending_with(self, series: Series) -> "Auto":
        """Return the state with the end of the newest regime, from which the points right after it are judged."""
        return replace(self, end=TrainingEnd.of(series, min(self.context_points, self.points), self.end.interval_s))
