"""Excerpts of stored points, with the verdicts that they got when they arrived."""

import numpy as np

from api.charts.histories import Excerpt
from shared.domain.series import Flags
from shared.domain.thinning import extremes, peaks
from shared.domain.watching.stored import StoredPoints


def thinned(points: StoredPoints, max_points: int) -> StoredPoints:
    """Return at most `max_points` (>= 16) of n points.

    Five eighths of these are the smallest and largest values of slices, a quarter the highest scores of slices, and an
    eighth known gaps, so that a line through the points breaks there.
    """
    if len(points) <= max_points:
        return points
    is_gap = np.isnan(points.values)
    known, gaps = np.flatnonzero(~is_gap), np.flatnonzero(is_gap & ~np.concatenate(([False], is_gap[:-1])))
    kept_gaps = gaps[:: -(-len(gaps) // (max_points // 8))] if len(gaps) else gaps
    by_value = known[extremes(points.values[known], max_points * 5 // 8)]
    by_score = peaks(np.nan_to_num(points.scores), max_points // 4)
    return points.chosen(np.unique(np.concatenate((by_value, by_score, kept_gaps))))


def excerpt(points: StoredPoints, max_points: int) -> Excerpt:
    """Return points for a chart. NaN scores are those of points that were not judged; NaN values are known gaps."""
    shown = thinned(points, max_points)
    return Excerpt(
        timestamps=shown.timestamps,
        values=shown.values,
        score=shown.scores,
        expected=shown.expected,
        lower=shown.lower,
        upper=shown.upper,
        points=len(points),
        anomalies=int(np.count_nonzero(points.scores > 1)),
    )


def unjudged(excerpt: Excerpt) -> Flags:
    """Flag the points (m,) that have a value but no verdict."""
    return np.isnan(excerpt.score) & ~np.isnan(excerpt.values)
