"""Shape: a stretch unlike any before, and forecast errors that are larger than usual.

Windows of several lengths are compared with training windows. The distances from the nearest ones, relative to the 99th
percentile of such distances, are averaged over the lengths.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.domain.detectors.msnn.bank import Vectors
from shared.domain.detectors.standards import Indices, period_of
from shared.domain.detectors.witnesses.bank import Banks
from shared.domain.detectors.witnesses.calibration import NEWEST, boundary
from shared.domain.detectors.witnesses.recent import trailing_mean
from shared.domain.series import Flags, Timestamps, Values

FEWEST_POINTS = 64
LENGTHS = (8, 16, 32, 64, 128)
WINDOWS = 1_024  # of each length
SELF_SHARE = 0.15  # of the history: a training window is not compared with windows closer in time
ERROR_WEIGHT, NEWEST_ERROR, RECENT_ERRORS, RECENT = 0.5, 0.6, 1.2, 16
FEWEST_WHOLE = 8  # windows without an incident
LINEAR_UP_TO = 10.0  # larger ratios grow logarithmically, so that no single length decides


@dataclass(frozen=True, slots=True)
class Shape:
    """Training windows of s lengths, and what their distances and the forecast's errors usually are."""

    times: NDArray[np.int64]  # (k,) Unix seconds at which the longest windows end
    lengths: NDArray[np.int64]  # (s,) points, increasing
    codes: NDArray[np.int8]  # those of k windows of each length, one length after another; so are `means` and `axes`
    steps: Values  # (s,)
    means: Vectors
    axes: Vectors
    usual_distances: Values  # (s,) 99th percentiles of the distances
    usual_error: float  # 99th percentile of the forecast errors
    trust: float  # in the forecast, 0 to 1
    boundary: float

    def ratios(self, values: Values, places: Indices, errors: Values | None) -> Values:
        """Return the ratios (p,) of standardized values (m,) at `places` (p,); errors (m,) of the forecast.

        They are NaN where a window is longer than the values up to it.
        """
        sums = np.concatenate(([0.0], np.cumsum(values)))
        return self.scores(self.banks().nearest(sums, places).distances, errors, places) / self.boundary

    def scores(self, distances: Values, errors: Values | None, places: Indices) -> Values:
        """Return the scores (p,) at `places` (p,) from distances (p, s) and the errors (m,) of the forecast."""
        scores = compressed(distances / self.usual_distances).mean(axis=1)
        if errors is not None:
            scores = scores + error_scores(errors, self.usual_error, self.trust)[places]
        return np.asarray(scores)

    def most_similar(self, values: Values) -> tuple[int, int, float] | None:
        """Find the training window most similar to the longest window at the end of standardized values (m,).

        Return its length, the time of its last point, and its distance, relative to the usual; None if there are too
        few values.
        """
        longest = int(self.lengths[-1])
        if len(values) < longest:
            return None
        sums = np.concatenate(([0.0], np.cumsum(values)))
        nearest = self.banks().nearest(sums, np.array([len(values) - 1]))
        distance = float(nearest.distances[0, -1] / self.usual_distances[-1])
        return longest, int(self.times[nearest.places[0, -1]]), distance

    def banks(self) -> Banks:
        """Return the training windows of each length."""
        return Banks.stored(tuple(self.lengths.tolist()), self.codes, self.steps, self.means, self.axes)


def compressed(ratios: Values) -> Values:
    """Compress ratios (m,) above `LINEAR_UP_TO` logarithmically."""
    beyond = LINEAR_UP_TO + LINEAR_UP_TO * np.log(np.maximum(ratios, LINEAR_UP_TO) / LINEAR_UP_TO)
    return np.where(ratios <= LINEAR_UP_TO, ratios, beyond)


def error_scores(errors: Values, usual: float, trust: float) -> Values:
    """Return what forecast errors (m,) add to the distances: the newest one, and the RMS of the last 16."""
    ratios = compressed(np.fmax(np.abs(errors), 0.0) / usual)
    return ERROR_WEIGHT * trust * (NEWEST_ERROR * ratios + RECENT_ERRORS * np.sqrt(trailing_mean(ratios**2, RECENT)))


def fit_shape(
    values: Values,
    usable: Flags,
    timestamps: Timestamps,
    errors: Values | None,
    skill: float,
    share: float,
    newest: int = NEWEST,
) -> tuple[Shape, Values] | None:
    """Learn training windows and usual distances; None for too short a history.

    values, usable, timestamps, errors: (n,); values are standardized, errors the held-out ones of the forecast.
    Also returns the ratios (n,) of the `newest` points, each compared with windows far from it; NaN for others.
    """
    points = len(values)
    if points < FEWEST_POINTS:
        return None
    sums, broken = np.concatenate(([0.0], np.cumsum(values))), np.concatenate(([0], np.cumsum(~usable)))
    lengths = _lengths(values)
    judged = np.arange(max(points - newest, lengths[-1] - 1), points)
    count = min(WINDOWS, points - lengths[-1] + 1)
    ends = np.array([_window_ends(broken, length, count) for length in lengths])
    banks = Banks.of(sums, ends, tuple(lengths))
    distances = banks.nearest(sums, judged, ends, np.maximum(lengths, SELF_SHARE * points)).distances
    usual_distances = np.quantile(distances[-NEWEST:], 0.99, axis=0) + 0.02
    total = compressed(distances / usual_distances).mean(axis=1)
    usual_error, trust = 1.0, 0.0
    if errors is not None:
        usual_error = float(np.nanquantile(np.abs(errors[-NEWEST:]), 0.99)) + 1e-3
        trust = min(1.0, 2 * max(skill, 0.0))
        total += error_scores(errors[judged], usual_error, trust)
    scores = np.full(points, np.nan)
    scores[judged] = total
    scores[~usable] = np.nan
    shape = Shape(
        times=timestamps[ends[-1]],
        lengths=np.array(lengths, dtype=np.int64),
        codes=banks.codes.ravel(),
        steps=banks.steps,
        means=banks.means,
        axes=banks.axes.ravel(),
        usual_distances=usual_distances,
        usual_error=usual_error,
        trust=trust,
        boundary=boundary(scores[-NEWEST:], share),
    )
    return shape, scores / shape.boundary


def held_out_shape(shape: Shape, values: Values, usable: Flags, errors: Values | None, places: Indices) -> Values:
    """Return the ratios (p,) at `places` (p,) of standardized values (n,), each compared with windows far from it.

    usable, errors: (n,) as in `fit_shape`; values may differ from those that the shape was learned from.
    """
    sums, broken = np.concatenate(([0.0], np.cumsum(values))), np.concatenate(([0], np.cumsum(~usable)))
    ends = np.array([_window_ends(broken, length, len(shape.times)) for length in shape.lengths.tolist()])
    reaches = np.maximum(shape.lengths, SELF_SHARE * len(values))
    return shape.scores(shape.banks().nearest(sums, places, ends, reaches).distances, errors, places) / shape.boundary


def _lengths(values: Values) -> list[int]:
    """Return window lengths: some that always help, and half, one and two periods if the values have one."""
    period = period_of(values)
    lengths = {*LENGTHS, *((max(period // 2, 8), period, 2 * period) if period else ())}
    return sorted({min(length, max(len(values) // 4, 4)) for length in lengths})


def _window_ends(broken: Indices, length: int, count: int) -> Indices:
    """Return evenly spaced ends (count,) of windows of `length` that hold no incident, unless nearly all do.

    broken: (n + 1,) how many of the points before each are inside incidents. Each length has a spacing of its own, so
    that a rhythm of the series coincides with few of them.
    """
    ends = np.arange(length - 1, len(broken) - 1)
    whole = ends[broken[ends + 1] == broken[ends + 1 - length]]
    ends = whole if len(whole) >= FEWEST_WHOLE else ends
    return ends[np.linspace(0, len(ends) - 1, count).astype(np.int64)]
