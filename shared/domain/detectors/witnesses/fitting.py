"""Fitting: each witness learns from the history; held-out ratios then set the factor that all of them share."""

from dataclasses import dataclass

import numpy as np

from shared.domain.detectors.alarms import Tail, promise, share_of
from shared.domain.detectors.contract import ParameterValues, Progress, TrainingEnd
from shared.domain.detectors.standards import robust_spread
from shared.domain.detectors.witnesses.calibration import NEWEST, boundary
from shared.domain.detectors.witnesses.echoes import Calm
from shared.domain.detectors.witnesses.forecast import Forecast, fit_forecast
from shared.domain.detectors.witnesses.held_out import held_out_ratios
from shared.domain.detectors.witnesses.history import History
from shared.domain.detectors.witnesses.level import MIN_SPREAD, Level, drifts
from shared.domain.detectors.witnesses.looking import ECHO, largest, scores_of
from shared.domain.detectors.witnesses.recent import LONGEST_WINDOW, Recent, fit_recent
from shared.domain.detectors.witnesses.season import Season, fit_season
from shared.domain.detectors.witnesses.shape import Shape, fit_shape, held_out_shape
from shared.domain.detectors.witnesses.state import Auto
from shared.domain.detectors.witnesses.stuck import Stuck
from shared.domain.detectors.witnesses.vocabulary import Vocabulary
from shared.domain.series import Series, Values

SHAPE_SHARE, OTHER_SHARE = 0.4, 0.15  # of the alarm rate: for the shape, which finds most, and for each other one
FEWEST_FOR_SEASON, FEWEST_FOR_SIGN = 12, 10
FEWEST_FOR_COMMON, COMMON = 60, (0.6, 3.0)
MARGIN = 1.05  # of the common factor, see SHAPE_WEIGHT
INCIDENT_SCORE = 2.0  # minimum for a point of an incident
LARGEST_RESIDUAL = 10.0  # residuals are clipped here when errors are compared


@dataclass(frozen=True, slots=True)
class Learned:
    """A state, and the held-out scores of the n points of its history."""

    state: Auto
    start: int  # training points before the history
    scores: dict[str, Values]  # by witness, (n,); NaN where it has none; empty if none were requested
    expected: Values  # (n,), standardized


@dataclass(frozen=True, slots=True)
class _Panel:
    """The calibrated witnesses of a history of n points; None for one that it does not support."""

    level: Level | None
    season: tuple[Season, Values, Values] | None  # with held-out residuals and expectations (n,)
    forecast: tuple[Forecast, Values] | None  # with held-out errors (n,)
    recent: Recent
    shape: Shape | None
    ratios: dict[str, Values]  # of the newest points; held out but for level and recent

    @classmethod
    def of(cls, history: History, rate: float, spread: float, progress: Progress, newest: int) -> "_Panel":
        """Let each witness learn with its share of the alarm rate."""
        values, usable, share = history.standardized, history.usable, OTHER_SHARE * rate
        ratios: dict[str, Values] = {}
        level = None if drifts(values, usable, share, rate) else Level.of(values, usable, share)
        if level is not None:
            ratios["level"] = level.ratios(values[-newest:])
        progress(0.1)
        season = _season(history, share)
        if season is not None:
            ratios["season"] = season[0].sides.ratios(season[1][-newest:])
        progress(0.3)
        forecast = fit_forecast(values, usable, share, newest)
        errors, skill = None, 0.0
        if forecast is not None:
            ratios["forecast"] = forecast[0].sides.ratios(forecast[1][-newest:])
            errors, skill = forecast[1] * forecast[0].spread, forecast[0].skill
        progress(0.5)
        residuals = season[1] if season else None
        if residuals is None and level is not None:
            residuals = np.where(usable, values / spread, np.nan)
        recent, of_recent = fit_recent(residuals, forecast[1] if forecast else None, share, newest)
        ratios["recent"] = of_recent[-newest:]
        shape = fit_shape(values, usable, history.timestamps, errors, skill, SHAPE_SHARE * rate, newest)
        if shape is not None:
            ratios["shape"] = shape[1][-newest:]
        progress(0.9)
        return cls(level, season, forecast, recent, shape[0] if shape else None, ratios)

    def held_out(self, history: History, rate: float, spread: float, common: float) -> dict[str, Values]:
        """Return the held-out ratios (n,) of all witnesses, without echoes."""
        residuals = self.season[1] if self.season else None
        errors = self.forecast[1] if self.forecast else None
        has_level = self.level is not None
        ratios = held_out_ratios(history, residuals, errors, OTHER_SHARE * rate, rate, has_level=has_level)
        ratios = self.ratios | ratios | {name: common * ratios[name] for name in ("stuck", "vocabulary")}
        return self._without_echoes(history, ratios, spread, common)

    def _without_echoes(
        self, history: History, ratios: dict[str, Values], spread: float, common: float
    ) -> dict[str, Values]:
        """Return the ratios (n,) of each witness, as they would be without the far values before each point."""
        calm = self._calm(history, ratios, common)
        after = calm.after_far(max(int(self.shape.lengths[-1]) if self.shape else 0, LONGEST_WINDOW))
        if not after.any():
            return ratios
        residuals = self.season[1] if self.season else history.standardized / spread if self.level else None
        errors = self.forecast[1] if self.forecast else None
        recent = self.recent.ratios(calm.quiet(residuals), calm.quiet(errors), len(after))
        ratios = ratios | {"recent": np.where(after, np.fmin(ratios["recent"], recent), ratios["recent"])}
        if self.shape:
            shape = ratios["shape"].copy()
            places = np.flatnonzero(after & (shape > ECHO * common))
            quiet = calm.quiet(errors * self.forecast[0].spread if self.forecast and errors is not None else None)
            calmer = held_out_shape(self.shape, calm.values, history.usable, quiet, places)
            shape[places] = np.fmin(shape[places], calmer)
            ratios["shape"] = shape
        return ratios

    def _calm(self, history: History, ratios: dict[str, Values], common: float) -> Calm:
        """Return the values (n,), with the expected ones in place of those that their held-out ratios (n,) call far."""
        values, calm = history.standardized, Calm.of(history.standardized)
        if self.level:
            calm.replace(ratios["level"] > common, np.zeros(len(values)))
        if self.season and not self.season[0].need:
            calm.replace(ratios["season"] > common, self.season[2])
        return calm


def learn(series: Series, parameters: ParameterValues, progress: Progress, scored: int = 0) -> Learned:
    """Learn from the newest regime of the series; also compute held-out scores of its `scored` newest points."""
    newest = max(scored, NEWEST)
    history = History.of(series, parameters["timezone"])
    values, usable = history.standardized, history.usable
    rate = share_of(parameters["alarm_rate"], history.interval_s)
    spread = max(robust_spread(values[usable]), MIN_SPREAD)
    panel = _Panel.of(history, rate, spread, progress, newest)
    calibrating = {name: ratios[-NEWEST:] for name, ratios in panel.ratios.items()}
    known = np.where(usable[-NEWEST:], np.fmax.reduce(list(calibrating.values())), np.nan)
    common = 1.0
    if len(history) >= FEWEST_FOR_COMMON:
        common = MARGIN * min(max(boundary(known, rate), COMMON[0]), COMMON[1])
    scores: dict[str, Values] = {}
    if scored:
        scores = scores_of(panel.held_out(history, rate, spread, common), common)
        scores["incident"] = np.where(usable, np.nan, INCIDENT_SCORE)
    expected_by, expected = _expectation(panel.level, panel.season, panel.forecast, values)
    state = Auto(
        alarm_rate=rate,
        promise=promise(rate, int(np.isfinite(known).sum())),
        scale=history.scale,
        usual_increment=history.usual_increment,
        never_negative=len(history) >= FEWEST_FOR_SIGN and bool(history.values[usable].min() >= 0),
        spread=spread,
        level=panel.level,
        season=panel.season[0] if panel.season else None,
        forecast=panel.forecast[0] if panel.forecast else None,
        recent=panel.recent,
        stuck=Stuck.of(history.values),
        vocabulary=Vocabulary.of(history.values[usable], rate),
        shape=panel.shape,
        common=common,
        tail=Tail.of(largest(scores_of(calibrating, common))),
        expected_by=expected_by,
        end=TrainingEnd(np.empty(0), int(series.timestamps[-1]), history.interval_s),
        points=len(history),
        first_timestamp=int(history.timestamps[0]),
        incident_points=int((~usable).sum()),
    )
    return Learned(state.ending_with(series), history.start, scores, expected)


def _season(history: History, share: float) -> tuple[Season, Values, Values] | None:
    if len(history) < FEWEST_FOR_SEASON:
        return None
    return fit_season(
        history.timestamps, history.standardized, history.usable, history.interval_s, share, history.timezone
    )


def _expectation(
    level: Level | None,
    season: tuple[Season, Values, Values] | None,
    forecast: tuple[Forecast, Values] | None,
    values: Values,
) -> tuple[str, Values]:
    """Return the witness with the smallest error, and its held-out expectation (n,) of standardized values (n,).

    A drifting level is used only if there is neither season nor forecast.
    """
    expected, errors = {"level": np.zeros(len(values))}, {"level": np.inf}
    if level is not None:
        errors["level"] = float(np.minimum(np.abs(values), LARGEST_RESIDUAL).mean())
    if season is not None:
        expected["season"], errors["season"] = season[2], season[0].error
    if forecast is not None:
        expected["forecast"], errors["forecast"] = values - forecast[1] * forecast[0].spread, forecast[0].error
    best = min(errors, key=lambda name: errors[name])
    return best, np.nan_to_num(expected[best])
