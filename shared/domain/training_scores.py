"""Training scores: what a new version says of the very points it was fitted on, kept for pages and lists.

The worker computes them once. A long series keeps one score for each block of points, the largest, so that no page
ever has to score training data and no event disappears.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass, fields
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from shared.domain.archives import unpacked
from shared.domain.detectors.contract import Fitted, Scores
from shared.domain.series import Series, Values
from shared.errors import Code, DamagedError

MOST_SCORES = 100_000
SPARKLINE_POINTS = 60
BLOCK = 50_000  # points judged without asking whether anybody still wants them


@dataclass(frozen=True, slots=True)
class TrainingScores:
    """What the detector says of the points at `index` (m,), increasing. `score` > 1 exactly where the full score is."""

    index: NDArray[np.int32]
    score: NDArray[np.float32]
    expected: Values | None
    lower: Values | None
    upper: Values | None

    @classmethod
    def of(cls, scores: Scores) -> "TrainingScores":
        """Keep at most `MOST_SCORES` of n: the largest of each block of ceil(n / MOST_SCORES)."""
        score = scores.score
        block = -(-len(score) // MOST_SCORES)
        starts = np.arange(0, len(score), block)
        padded = np.pad(score, (0, len(starts) * block - len(score)), constant_values=-1.0)
        index = starts + padded.reshape(len(starts), block).argmax(axis=1)
        columns = (
            None if column is None else column[index] for column in (scores.expected, scores.lower, scores.upper)
        )
        return cls(index.astype(np.int32), _narrowed(score[index]), *columns)

    def encode(self) -> bytes:
        """The artifact's bytes."""
        columns = {field.name: getattr(self, field.name) for field in fields(self)}
        buffer = io.BytesIO()
        present = {name: column for name, column in columns.items() if column is not None}
        np.savez_compressed(buffer, allow_pickle=False, **present)
        return buffer.getvalue()

    @classmethod
    def decode(cls, content: bytes) -> "TrainingScores":
        """Read what `encode` wrote; `DamagedError` for anything else."""
        try:
            arrays = unpacked(content)
            return cls(arrays["index"], arrays["score"], *map(arrays.get, ("expected", "lower", "upper")))
        except (ValueError, KeyError) as error:
            raise DamagedError(Code.ARTIFACT_DAMAGED, f"The training scores cannot be read: {error}") from error


def judged(fitted: Fitted, series: Series, check: Callable[[], object]) -> Scores:
    """What the detector says of its training values, in blocks; `check` may raise to stop before the next."""
    need = fitted.detector.needs(fitted.state).points
    parts = []
    for start in range(0, len(series), BLOCK):
        check()
        block = slice(start, start + BLOCK)
        context = series.values[max(start - need, 0) : start]
        parts.append(fitted.detector.score(fitted.state, series.values[block], series.timestamps[block], context))
    check()
    edges = ([getattr(part, name) for part in parts] for name in ("expected", "lower", "upper"))
    columns = (None if column[0] is None else np.concatenate(column) for column in edges)
    return Scores(np.concatenate([part.score for part in parts]), *columns)


def anomaly_share(score: Values) -> float:
    """Share of the points above the decision boundary."""
    return float(np.count_nonzero(score > 1) / len(score))


def sparkline(values: Values) -> list[float]:
    """At most `SPARKLINE_POINTS` values that outline the series: in each slice the one farthest from the median."""
    edges = np.linspace(0, len(values), min(len(values), SPARKLINE_POINTS) + 1).astype(int)
    median = np.median(values)
    slices = (values[start:end] for start, end in pairwise(edges))
    return [float(part[np.abs(part - median).argmax()]) for part in slices]


def _narrowed(score: Values) -> NDArray[np.float32]:
    """As float32, rounded so that a score above 1 stays above it and no other gets there."""
    largest = np.finfo(np.float32).max
    narrow = np.minimum(score, largest).astype(np.float32)
    one = np.float32(1)
    return np.where(score > 1, np.maximum(narrow, np.nextafter(one, np.float32(2))), np.minimum(narrow, one))
