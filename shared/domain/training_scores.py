"""Training scores: the scores of a new version on the points that it was fitted on.

The worker computes and stores them once, so that no page has to score training data. A long series keeps only the
largest score of each block of points, so that no event disappears.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from shared.domain.archives import unpacked
from shared.domain.detectors.contract import Fitted, Scores
from shared.domain.series import Series, Values
from shared.domain.thinning import extremes
from shared.errors import Code, DamagedError

MAX_SCORES = 100_000
MOST_AUTOMATIC = 4_000  # of an automatic fit: thousands of series are refitted each night
SPARKLINE_POINTS = 60
BLOCK = 50_000  # points scored between two checks for a cancellation


@dataclass(frozen=True, slots=True)
class TrainingScores:
    """Scores (m,) of the points at the increasing indices `index` (m,).

    `score` is rounded to float32, and exceeds 1 if and only if the unrounded score does.
    """

    index: NDArray[np.int32]
    score: NDArray[np.float32]
    expected: Values | None
    lower: Values | None
    upper: Values | None

    @classmethod
    def of(cls, scores: Scores, most: int = MAX_SCORES) -> "TrainingScores":
        """Keep at most `most` of n scores: the largest of each block of ceil(n / most)."""
        score = scores.score
        block = -(-len(score) // most)
        starts = np.arange(0, len(score), block)
        padded = np.pad(score, (0, len(starts) * block - len(score)), constant_values=-1.0)
        index = starts + padded.reshape(len(starts), block).argmax(axis=1)
        return cls(
            index=index.astype(np.int32),
            score=_narrowed(score[index]),
            expected=None if scores.expected is None else scores.expected[index],
            lower=None if scores.lower is None else scores.lower[index],
            upper=None if scores.upper is None else scores.upper[index],
        )

    def encode(self) -> bytes:
        """Encode the artifact, a compressed npz archive without the columns that are None."""
        columns = {field.name: getattr(self, field.name) for field in fields(self)}
        buffer = io.BytesIO()
        present = {name: column for name, column in columns.items() if column is not None}
        np.savez_compressed(buffer, allow_pickle=False, **present)
        return buffer.getvalue()

    @classmethod
    def decode(cls, content: bytes) -> "TrainingScores":
        """Read what `encode` wrote; raise `DamagedError` for any other bytes."""
        try:
            arrays = unpacked(content)
            return cls(
                index=arrays["index"],
                score=arrays["score"],
                expected=arrays.get("expected"),
                lower=arrays.get("lower"),
                upper=arrays.get("upper"),
            )
        except (ValueError, KeyError) as error:
            raise DamagedError(Code.ARTIFACT_DAMAGED, f"The training scores cannot be read: {error}") from error


def judged(
    fitted: Fitted, series: Series, check: Callable[[], object], start: int = 0, stop: int | None = None
) -> Scores:
    """Score the points from `start` up to `stop` in blocks of `BLOCK`, each with the values before it.

    `check` runs before each block and after the last one; it may raise an error to stop.
    """
    need, stop = fitted.needs().points, len(series) if stop is None else stop
    parts = []
    for first in range(start, stop, BLOCK):
        check()
        block = slice(first, min(first + BLOCK, stop))
        context = series.values[max(first - need, 0) : first]
        parts.append(fitted.score(series.values[block], series.timestamps[block], context))
    check()
    return joined(parts)


def joined(parts: Sequence[Scores]) -> Scores:
    """Concatenate scores of consecutive points."""
    return Scores(
        np.concatenate([part.score for part in parts]),
        expected=_joined([part.expected for part in parts]),
        lower=_joined([part.lower for part in parts]),
        upper=_joined([part.upper for part in parts]),
    )


def _joined(columns: list[Values | None]) -> Values | None:
    """Concatenate the parts of a column; None if the detector has no such column."""
    present = [column for column in columns if column is not None]
    return np.concatenate(present) if present else None


def anomaly_share(score: Values) -> float:
    """Return the share of the scores that are above 1, the decision boundary."""
    return float(np.count_nonzero(score > 1) / len(score))


def sparkline(values: Values) -> list[float]:
    """Return at most `SPARKLINE_POINTS` values in order: the smallest and the largest of each slice.

    So the line is an envelope: a daily wave in months of data fills its range instead of becoming a flat line.
    """
    envelope: list[float] = values[extremes(values, SPARKLINE_POINTS)].tolist()
    return envelope


def sparkline_anomalies(values: Values, score: Values) -> list[int]:
    """Return the places in the sparkline of n values that are nearest to those with a score (n,) above 1, in order."""
    shown, flagged = extremes(values, SPARKLINE_POINTS), np.flatnonzero(score > 1)
    after = np.searchsorted(shown, flagged).clip(max=len(shown) - 1)
    before = (after - 1).clip(min=0)
    nearest: list[int] = np.unique(np.where(shown[after] - flagged <= flagged - shown[before], after, before)).tolist()
    return nearest


def _narrowed(score: Values) -> NDArray[np.float32]:
    """Convert to float32, so that a score above 1 stays above 1 and any other stays at most 1."""
    largest = np.finfo(np.float32).max
    narrow = np.minimum(score, largest).astype(np.float32)
    boundary = np.float32(1)
    above = np.maximum(narrow, np.nextafter(boundary, np.float32(2)))
    return np.where(score > 1, above, np.minimum(narrow, boundary))
