"""Judging: the scores of all witnesses, and the boundary that adapts to their previous scores."""

from dataclasses import dataclass

import numpy as np

from shared.domain.detectors.contract import MAX_SCORE, Carry, Scores, clipped
from shared.domain.detectors.witnesses.adapting import START, adapted
from shared.domain.detectors.witnesses.calibration import eased, tempered, untempered
from shared.domain.detectors.witnesses.counters import increments
from shared.domain.detectors.witnesses.recent import LONGEST_WINDOW
from shared.domain.detectors.witnesses.state import FOLDED, MOST_FOLDED, Auto
from shared.domain.series import Timestamps, Values

MAX_WIDENING = 10.0  # of the band, while the boundary is high: a wider one would tell a person nothing
SHAPE_WEIGHT = 1.18  # the boundary adapts, which makes alarms rarer than their rate: this makes up for it
SUPPORT = 0.2  # added to scores above 1 of other witnesses where the shape reaches its boundary, less below it
BLOCK = 65_536  # points whose scores are computed at a time


@dataclass(frozen=True, slots=True)
class Judgment:
    """Judgment of m points."""

    scores: dict[str, Values]  # by witness, (m,): tempered ratios; a point is as unusual as the largest one says
    boundary: Values  # (m,) at least 1; a point is an anomaly if its largest score exceeds it
    expected: Values  # (m,), in the unit of the series
    lower: Values  # (m,), edges of the band around `expected`: a value outside is an anomaly
    upper: Values  # (m,)
    carry: Carry  # what the boundary remembers after the last point

    @property
    def verdicts(self) -> Scores:
        """The verdicts of all witnesses together."""
        return Scores(largest(self.scores) / self.boundary, self.expected, self.lower, self.upper, self.boundary)


def judge(state: Auto, values: Values, timestamps: Timestamps, context: Values, carry: Carry | None = None) -> Judgment:
    """Judge values (m,) at timestamps (m,), with the values (k,) before them.

    carry: from the judgment of the points right before, or None. Then, the boundary adapts to the end of the context. A
    witness abstains where it needs more values than are known.
    """
    known = np.concatenate((_of_regime(state, context, int(timestamps[0]))[-state.window - MOST_FOLDED :], values))
    first = len(known) - len(values)
    start = max(min(state.window, first - FOLDED), 0) if carry is None else first
    before = timestamps[0] - (np.arange(first, 0, -1) * state.end.interval_s).astype(np.int64)
    look = _look(state, known, np.concatenate((before, timestamps)), start)
    boundary, after = adapted(largest(look.scores), state.alarm_rate, START if carry is None else carry)
    expected, lower, upper = band(state, look.expected, look.above, look.below, boundary, known, start)
    newest = slice(first - start, None)
    return Judgment(
        scores={name: column[newest] for name, column in look.scores.items()},
        boundary=boundary[newest],
        expected=expected[newest],
        lower=lower[newest],
        upper=upper[newest],
        carry=after,
    )


def _of_regime(state: Auto, context: Values, timestamp: int) -> Values:
    """Return those of the values (k,) before a point at `timestamp` that came after the newest step of the history."""
    points = int((timestamp - state.first_timestamp) / state.end.interval_s)
    return context[max(len(context) - points, 0) :] if points >= 0 else context


@dataclass(frozen=True, slots=True)
class _Look:
    """Scores of p points by witness, and the middle and the widths of the band, standardized."""

    scores: dict[str, Values]
    expected: Values
    above: Values
    below: Values


def _look(state: Auto, known: Values, timestamps: Timestamps, start: int) -> _Look:
    """Look at the values known (n,) at timestamps (n,) from `start` on."""
    judged = known
    if state.usual_increment:
        judged = np.concatenate(([state.usual_increment], increments(known, state.usual_increment)))
    values = state.scale.standardized(judged)
    # these two are not calibrated: multiplying by the common factor cancels the division by it
    ratios = {"stuck": state.stuck.ratios(judged)[start:] * state.common}
    ratios["vocabulary"] = state.vocabulary.ratios(judged[start:]) * state.common
    expected = {"level": np.zeros(len(known))}
    residuals = None
    if state.level is not None:
        ratios["level"] = state.level.ratios(values)[start:]
        residuals = values / state.spread
    if state.season is not None:
        residuals, expected["season"] = state.season.residuals(timestamps, values)
        ratios["season"] = state.season.sides.ratios(residuals)[start:]
    errors = None
    if state.forecast is not None:
        # errors of earlier points affect nothing: forecasting them would take most of the time of a single verdict
        early = max(start - LONGEST_WINDOW - state.forecast.rule.lags - 1, 0)
        late_errors, late_forecasts = state.forecast.errors(values[early:])
        nothing = np.full(early, np.nan)
        errors, expected["forecast"] = np.concatenate((nothing, late_errors)), np.concatenate((nothing, late_forecasts))
        ratios["forecast"] = state.forecast.sides.ratios(errors)[start:]
    ratios["recent"] = state.recent.ratios(residuals, errors, len(known))[start:]
    if state.shape is not None:
        sizes = errors * state.forecast.spread if errors is not None and state.forecast is not None else None
        ratios["shape"] = state.shape.ratios(values, start, sizes)
    middle = expected[state.expected_by][start:]
    above, below = state.widths(timestamps[start:])
    if np.isnan(middle).any():  # the level is the only guide
        unknown, (level_above, level_below) = np.isnan(middle), state.level_widths
        middle = np.where(unknown, 0.0, middle)
        above, below = np.where(unknown, level_above, above), np.where(unknown, level_below, below)
    return _Look(scores_of(ratios, state.common), middle, above, below)


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


def largest(scores: dict[str, Values]) -> Values:
    """Return the largest scores (m,) of all witnesses; 0 where no witness has one."""
    every: Values = np.fmax.reduce(list(scores.values()))
    return np.minimum(np.fmax(every, 0.0), MAX_SCORE)


def band(
    state: Auto, middle: Values, above: Values, below: Values, boundary: Values, known: Values, start: int
) -> tuple[Values, Values, Values]:
    """Return the expected values and both edges of the band (p,), in the unit of the series.

    middle, above, below: (p,) standardized, of the points of `known` (n,) from `start` on; boundary: (p,).
    """
    factor = state.common * np.minimum(untempered(boundary), MAX_WIDENING)
    expected, lower, upper = map(state.scale.restored, (middle, middle - below * factor, middle + above * factor))
    if state.never_negative:
        expected, lower = np.maximum(expected, 0.0), np.maximum(lower, 0.0)
    if state.usual_increment:
        last = np.concatenate((known[:1], known[:-1]))[start:]
        with np.errstate(over="ignore"):
            expected, lower, upper = (clipped(last + column) for column in (expected, lower, upper))
    return expected, lower, upper
