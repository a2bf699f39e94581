"""Looking: what each witness says about a stretch of values, before the boundary adapts."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from shared.domain.detectors.contract import MAX_SCORE, max_missing
from shared.domain.detectors.witnesses.calibration import eased, tempered
from shared.domain.detectors.witnesses.counters import increments
from shared.domain.detectors.witnesses.echoes import Calm, ForecastErrors
from shared.domain.detectors.witnesses.recent import LONGEST_WINDOW
from shared.domain.detectors.witnesses.state import Auto
from shared.domain.series import Flags, Timestamps, Values

SHAPE_WEIGHT = 1.18  # the boundary adapts, which makes alarms rarer than their rate: this makes up for it
SUPPORT = 0.2  # added to scores above 1 of other witnesses where the shape reaches its boundary, less below it
ECHO = 0.5  # of its boundary: a smaller ratio of the shape needs no second look
MOST_ECHO, SMALLEST = 10.0, 1e-9  # factor between scores with and without echoes
BLOCK = 65_536  # points whose scores are computed at a time


@dataclass(frozen=True, slots=True)
class Look:
    """Scores of p points by witness, and the middle and the widths of the band, standardized."""

    scores: dict[str, Values]
    echo: Values  # (p,) factor by which earlier far values raise the largest score; at least 1
    expected: Values
    above: Values
    below: Values


def look(state: Auto, known: Values, timestamps: Timestamps, start: int, missing: Flags | None) -> Look:
    """Look at the values known (n,) at timestamps (n,) from `start` on.

    missing: (n,) flags of values that repeat the one before them because they are not known; None = all are known.
    """
    judged = known
    if state.usual_increment:
        judged = np.concatenate(([state.usual_increment], increments(known, state.usual_increment)))
    values = state.scale.standardized(judged)
    seen = _by_value(state, values, timestamps)
    errors = None
    if state.forecast is not None:
        early = max(start - LONGEST_WINDOW - state.forecast.rule.lags - 1, 0)
        errors = ForecastErrors.of(state.forecast, values, seen.calm, early)
        seen.expected["forecast"] = errors.forecasts
    # these two are not calibrated: multiplying by the common factor cancels the division by it
    ratios = {"stuck": _of_known(state.stuck.ratios, judged, missing)[start:] * state.common}
    ratios["vocabulary"] = state.vocabulary.ratios(judged[start:]) * state.common
    ratios |= {name: column[start:] for name, column in seen.ratios.items()}
    ratios |= _by_window(state, values, seen.residuals, errors, start)
    calmer = _without_echoes(state, ratios, seen, errors, start)
    if missing is not None:
        _abstain(state, ratios, missing, start)
        _abstain(state, calmer, missing, start)
    scores = scores_of(calmer, state.common)
    echo = np.ones(len(values) - start) if calmer is ratios else _echo(scores, scores_of(ratios, state.common))
    return Look(scores, echo, *_band(state, seen.expected, timestamps, start))


@dataclass(frozen=True, slots=True)
class _ByValue:
    """What the witnesses say that judge n values one by one."""

    ratios: dict[str, Values]  # (n,)
    expected: dict[str, Values]  # (n,)
    residuals: Values | None  # (n,) of the season or the level, in spreads; None without either
    calm: Calm


def _by_value(state: Auto, values: Values, timestamps: Timestamps) -> _ByValue:
    """Judge standardized values (n,) at timestamps (n,) by level and season."""
    seen, residuals = _ByValue({}, {"level": np.zeros(len(values))}, None, Calm.of(values)), None
    if state.level is not None:
        seen.ratios["level"] = state.level.ratios(values)
        seen.calm.replace(seen.ratios["level"] > state.common, seen.expected["level"])
        residuals = values / state.spread
    if state.season is not None:
        residuals, seen.expected["season"] = state.season.residuals(timestamps, values)
        seen.ratios["season"] = state.season.sides.ratios(residuals)
        if not state.season.need:  # else, what is far would depend on earlier values
            seen.calm.replace(seen.ratios["season"] > state.common, seen.expected["season"])
    return replace(seen, residuals=residuals)


def _by_window(
    state: Auto, values: Values, residuals: Values | None, errors: ForecastErrors | None, start: int
) -> dict[str, Values]:
    """Return the ratios (n - start,) of the witnesses that judge a value by those before it, echoes included."""
    plain = errors.plain if errors else None
    ratios = {}
    if state.forecast and plain is not None:
        ratios["forecast"] = state.forecast.sides.ratios(plain)[start:]
    ratios["recent"] = state.recent.ratios(residuals, plain, len(values))[start:]
    if state.shape:
        ratios["shape"] = state.shape.ratios(values, np.arange(start, len(values)), state.sizes(plain))
    return ratios


def _echo(scores: dict[str, Values], with_echoes: dict[str, Values]) -> Values:
    """Return by what factor (p,) the largest scores with echoes exceed those without."""
    factors = largest(with_echoes) / np.maximum(largest(scores), SMALLEST)
    return np.minimum(np.maximum(factors, 1.0), MOST_ECHO)


def _without_echoes(
    state: Auto, ratios: dict[str, Values], seen: _ByValue, errors: ForecastErrors | None, start: int
) -> dict[str, Values]:
    """Return the ratios (n - start,); after far values, the smaller ones that expected values in their place give."""
    calm = seen.calm
    if not calm.is_far.any():
        return ratios
    after = calm.after_far(max(int(state.shape.lengths[-1]) if state.shape else 0, LONGEST_WINDOW))
    newest = after[start:]
    calmer, quiet = dict(ratios), calm.quiet(errors.calm if errors else None)
    if state.forecast and errors:
        calmer["forecast"] = state.forecast.sides.ratios(errors.smaller)[start:]
    recent = state.recent.ratios(calm.quiet(seen.residuals), quiet, len(after))[start:]
    calmer["recent"] = np.where(newest, np.fmin(ratios["recent"], recent), ratios["recent"])
    if state.shape:
        places = np.flatnonzero(newest & (ratios["shape"] > ECHO * state.common))
        shape = state.shape.ratios(calm.values, start + places, state.sizes(quiet))
        calmer["shape"] = ratios["shape"].copy()
        calmer["shape"][places] = np.fmin(ratios["shape"][places], shape)
    return calmer


def _of_known(ratios: Callable[[Values], Values], values: Values, missing: Flags | None) -> Values:
    """Return the ratios (n,) of the values (n,) that are known, in their order; NaN for the others."""
    if missing is None:
        return ratios(values)
    column = np.full(len(values), np.nan)
    column[~missing] = ratios(values[~missing])
    return column


def _abstain(state: Auto, ratios: dict[str, Values], missing: Flags, start: int) -> None:
    """Remove the ratios (n - start,) at missing values, and where a window of the witness misses too many values."""
    windows = {
        "season": [state.season.following] if state.season else [],
        "forecast": [state.forecast.rule.lags] if state.forecast else [],
        "recent": state.recent.windows.tolist(),
        "shape": state.shape.lengths.tolist() if state.shape else [],
    }
    counts, ends = np.concatenate(([0], np.cumsum(missing))), np.arange(start + 1, len(missing) + 1)
    for name, column in ratios.items():
        column[missing[start:]] = np.nan
        for window in windows.get(name, []):
            column[counts[ends] - counts[np.maximum(ends - window, 0)] > max_missing(window)] = np.nan


def _band(
    state: Auto, expected: dict[str, Values], timestamps: Timestamps, start: int
) -> tuple[Values, Values, Values]:
    """Return the middle and the widths (n - start,) of the band; where its witness abstains, those of the level."""
    middle = expected[state.expected_by][start:]
    above, below = state.widths(timestamps[start:])
    if not np.isnan(middle).any():
        return middle, above, below
    unknown, (level_above, level_below) = np.isnan(middle), state.level_widths
    return (
        np.where(unknown, 0.0, middle),
        np.where(unknown, level_above, above),
        np.where(unknown, level_below, below),
    )


def largest(scores: dict[str, Values]) -> Values:
    """Return the largest scores (m,) of all witnesses; 0 where no witness has one."""
    every: Values = np.fmax.reduce(list(scores.values()))
    return np.minimum(np.fmax(every, 0.0), MAX_SCORE)


def scores_of(ratios: dict[str, Values], common: float) -> dict[str, Values]:
    """Return the scores of each witness, from its ratios. Those of the shape support alarms of the others."""
    columns = list(ratios.values())
    scores = np.empty((len(columns), len(columns[0])))
    shape = list(ratios).index("shape") if "shape" in ratios else None
    for start in range(0, scores.shape[1], BLOCK):
        part = slice(start, start + BLOCK)
        scores[:, part] = _scores(np.array([column[part] for column in columns]) / common, shape)
    return dict(zip(ratios, scores, strict=True))


def _scores(ratios: Values, shape: int | None) -> Values:
    """Return the scores (w, m) of ratios (w, m); `shape` is the index of that witness."""
    scores = tempered(ratios)
    if shape is None:
        return scores
    weighted = SHAPE_WEIGHT * ratios[shape]
    support = SUPPORT * np.minimum(np.fmax(weighted, 0.0), 1.0) ** 2  # 0 where it is unknown
    scores = np.where(scores > 1, scores + support, scores)
    scores[shape] = eased(weighted)
    return scores
