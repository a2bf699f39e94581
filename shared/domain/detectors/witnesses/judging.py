"""Judging: the scores of all witnesses, and the boundary that adapts to their previous scores."""

from dataclasses import dataclass

import numpy as np

from shared.domain.detectors.contract import Carry, Scores, clipped
from shared.domain.detectors.witnesses.adapting import START, adapted
from shared.domain.detectors.witnesses.calibration import untempered
from shared.domain.detectors.witnesses.looking import largest, look
from shared.domain.detectors.witnesses.state import FOLDED, MOST_FOLDED, Auto
from shared.domain.series import Flags, Timestamps, Values

MAX_WIDENING = 10.0  # of the band, while the boundary is high: a wider one would tell a person nothing


@dataclass(frozen=True, slots=True)
class Judgment:
    """Judgment of m points."""

    scores: dict[str, Values]  # by witness, (m,): tempered ratios; a point is as unusual as the largest one says
    boundary: Values  # (m,) at least 1; a point is an anomaly if its largest score exceeds it
    echo: Values  # (m,) at least 1: factor of the boundary, as much as the event that the windows still hold adds
    expected: Values  # (m,), in the unit of the series
    lower: Values  # (m,), edges of the band around `expected`: a value outside is an anomaly
    upper: Values  # (m,)
    carry: Carry  # what the boundary remembers after the last point

    @property
    def verdicts(self) -> Scores:
        """The verdicts of all witnesses together."""
        boundary = self.boundary * self.echo
        return Scores(largest(self.scores) / self.boundary, self.expected, self.lower, self.upper, boundary)


def judge(state: Auto, values: Values, timestamps: Timestamps, context: Values, carry: Carry | None = None) -> Judgment:
    """Judge values (m,) at timestamps (m,), with the values (k,) before them.

    carry: from the judgment of the points right before, or None. Then, the boundary adapts to the end of the context. A
    witness abstains where it needs more values than are known.
    """
    known = np.concatenate((_of_regime(state, context, int(timestamps[0]))[-state.window - MOST_FOLDED :], values))
    first = len(known) - len(values)
    start = max(min(state.window, first - FOLDED), 0) if carry is None else first
    before = timestamps[0] - (np.arange(first, 0, -1) * state.end.interval_s).astype(np.int64)
    known, missing = filled(known)
    seen = look(state, known, np.concatenate((before, timestamps)), start, missing)
    boundary, after = adapted(largest(seen.scores), state.alarm_rate, START if carry is None else carry)
    expected, lower, upper = band(state, seen.expected, seen.above, seen.below, boundary, known, start)
    newest = slice(first - start, None)
    return Judgment(
        scores={name: column[newest] for name, column in seen.scores.items()},
        boundary=boundary[newest],
        echo=seen.echo[newest],
        expected=expected[newest],
        lower=lower[newest],
        upper=upper[newest],
        carry=after,
    )


def filled(values: Values) -> tuple[Values, Flags | None]:
    """Repeat the value before each missing one (NaN) of values (n,); also return which are missing, None if none is."""
    missing = np.isnan(values)
    if not missing.any():
        return values, None
    places = np.maximum.accumulate(np.where(missing, 0, np.arange(len(values))))
    first = int(np.argmin(missing))
    return np.nan_to_num(values[np.maximum(places, first)]), missing


def _of_regime(state: Auto, context: Values, timestamp: int) -> Values:
    """Return those of the values (k,) before a point at `timestamp` that came after the newest step of the history."""
    points = int((timestamp - state.first_timestamp) / state.end.interval_s)
    return context[max(len(context) - points, 0) :] if points >= 0 else context


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
