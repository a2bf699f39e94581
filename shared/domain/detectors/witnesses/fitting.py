"""Fitting: each witness learns from the history, and from held-out ratios follows what all of them together need."""

from dataclasses import dataclass

import numpy as np

from shared.domain.detectors.alarms import Tail, promise, share_of
from shared.domain.detectors.contract import Progress, TrainingEnd
from shared.domain.detectors.standards import robust_spread
from shared.domain.detectors.witnesses.calibration import NEWEST, boundary
from shared.domain.detectors.witnesses.forecast import Forecast, fit_forecast
from shared.domain.detectors.witnesses.history import History
from shared.domain.detectors.witnesses.judging import largest, scores_of
from shared.domain.detectors.witnesses.level import MIN_SPREAD, Level, drifts
from shared.domain.detectors.witnesses.recent import fit_recent
from shared.domain.detectors.witnesses.season import Season, fit_season
from shared.domain.detectors.witnesses.shape import fit_shape
from shared.domain.detectors.witnesses.state import Auto
from shared.domain.detectors.witnesses.stuck import Stuck
from shared.domain.detectors.witnesses.vocabulary import Vocabulary
from shared.domain.series import Series, Values

SHAPE_SHARE, OTHER_SHARE = 0.4, 0.15  # of the alarm rate, for the witness that finds most, and for each other one
FEWEST_FOR_SEASON = 12
FEWEST_FOR_COMMON, COMMON = 60, (0.6, 3.0)
INCIDENT_SCORE = 2.0  # of a point that was left out as part of an incident, at least
LARGEST_RESIDUAL = 10.0  # counts as this far in the comparison of errors


@dataclass(frozen=True, slots=True)
class Learned:
    """A state, and what it would have said of the n points of its history, each judged by what others taught."""

    state: Auto
    start: int  # training points before the history
    scores: dict[str, Values]  # by witness, (n,); NaN where it knows nothing
    expected: Values  # (n,), standardized


def learn(series: Series, alarm_rate: str, progress: Progress, newest: int = NEWEST) -> Learned:
    """Learn from the newest regime of the series; at least the `newest` points of it are also judged, held out."""
    history = History.of(series)
    values, usable, points = history.standardized, history.usable, len(history)
    rate = share_of(alarm_rate, history.interval_s)
    share = OTHER_SHARE * rate
    spread = max(robust_spread(values[usable]), MIN_SPREAD)
    ratios: dict[str, Values] = {}
    level: Level | None = Level.of(values, usable, share)
    if drifts(values, usable, share, rate):
        level = None
    if level is not None:
        ratios["level"] = level.ratios(values)
    progress(0.1)
    season = _season(history, share)
    if season is not None:
        ratios["season"] = season[0].sides.ratios(season[1])
    progress(0.3)
    forecast = fit_forecast(values, usable, share, newest)
    if forecast is not None:
        ratios["forecast"] = forecast[0].sides.ratios(forecast[1])
    progress(0.5)
    residuals = season[1] if season else np.where(usable, values / spread, np.nan) if level else None
    recent, ratios["recent"] = fit_recent(residuals, forecast[1] if forecast else None, share, newest)
    errors = forecast[1] * forecast[0].spread if forecast else None
    shape = fit_shape(
        values, usable, history.timestamps, errors, forecast[0].skill if forecast else 0.0, rate * SHAPE_SHARE, newest
    )
    if shape is not None:
        ratios["shape"] = shape[1]
    progress(0.9)
    known = np.where(usable, np.fmax.reduce(list(ratios.values())), np.nan)[-NEWEST:]
    common = 1.0
    if points >= FEWEST_FOR_COMMON:
        common = min(max(boundary(known, rate), COMMON[0]), COMMON[1])
    scores = scores_of(ratios, common)
    expected_by, expected = _expectation(level, season, forecast, values)
    state = Auto(
        alarm_rate=rate,
        promise=promise(rate, int(np.isfinite(known).sum())),
        scale=history.scale,
        usual_increment=history.usual_increment,
        never_negative=points >= 10 and bool(history.values[usable].min() >= 0),
        spread=spread,
        level=level,
        season=season[0] if season else None,
        forecast=forecast[0] if forecast else None,
        recent=recent,
        stuck=Stuck.of(history.values),
        vocabulary=Vocabulary.of(history.values[usable], rate),
        shape=shape[0] if shape else None,
        common=common,
        tail=Tail.of(largest(scores)[-NEWEST:]),
        expected_by=expected_by,
        end=TrainingEnd(np.empty(0), int(series.timestamps[-1]), history.interval_s),
        points=points,
        first_timestamp=int(history.timestamps[0]),
        incident_points=int((~usable).sum()),
    )
    scores["incident"] = np.where(usable, np.nan, INCIDENT_SCORE)
    return Learned(state.ending_with(series), history.start, scores, expected)


def _season(history: History, share: float) -> tuple[Season, Values, Values] | None:
    if len(history) < FEWEST_FOR_SEASON:
        return None
    return fit_season(history.timestamps, history.standardized, history.usable, history.interval_s, share)


def _expectation(
    level: Level | None,
    season: tuple[Season, Values, Values] | None,
    forecast: tuple[Forecast, Values] | None,
    values: Values,
) -> tuple[str, Values]:
    """Return whose expectation errs least, and the held-out expectation (n,) of standardized values (n,).

    A level that drifts away is expected only where there is nothing else.
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
