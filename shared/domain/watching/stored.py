"""Points with the verdicts that they got when they arrived."""

from dataclasses import dataclass

from shared.domain.series import Indices, Timestamps, Values

LATE = 0  # in the place of a version: the point came after a newer one, and is never judged


@dataclass(frozen=True, slots=True)
class StoredPoints:
    """n points in order. NaN stands for a missing number."""

    timestamps: Timestamps
    values: Values
    scores: Values
    expected: Values
    lower: Values
    upper: Values
    boundaries: Values
    versions: tuple[int | None, ...]

    def __len__(self) -> int:
        return len(self.timestamps)

    def chosen(self, indices: Indices) -> "StoredPoints":
        """Return the points at these indices (m,)."""
        return StoredPoints(
            self.timestamps[indices],
            self.values[indices],
            self.scores[indices],
            self.expected[indices],
            self.lower[indices],
            self.upper[indices],
            self.boundaries[indices],
            tuple(self.versions[index] for index in indices.tolist()),
        )
