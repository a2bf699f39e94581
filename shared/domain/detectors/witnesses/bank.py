"""Training windows of one length, and the search for the one that is nearest to a new window.

A window becomes the same vector as in `msnn`. The windows of a series resemble each other, so eight principal axes hold
nearly all of their differences. A window is stored as its coordinates on these axes and the norm of what they leave
over, rounded to 8 bits: nine bytes instead of 33 numbers, at no loss on labeled series.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.domain.detectors.msnn.bank import Vectors, vector_length, vectors
from shared.domain.detectors.standards import Indices
from shared.domain.series import Values

AXES = 8
LARGEST_CODE = 127  # coordinates are rounded to integers of at most this magnitude
ROWS = 2_048  # of the distance matrix that are computed at a time


def axes_of(length: int) -> int:
    """Return the number of principal axes of windows of `length` values."""
    return min(AXES, vector_length(length) - 1)


@dataclass(frozen=True, slots=True)
class Bank:
    """Training windows (k) of one length."""

    length: int
    codes: NDArray[np.int8]  # (k, a + 1) coordinates of the windows, in units of `step`
    step: float
    mean: Vectors  # (d,) of the windows' vectors
    axes: Vectors  # (d, a) orthonormal

    @classmethod
    def of(cls, sums: Values, ends: Indices, length: int) -> "Bank":
        """Learn from the windows that end at `ends` (k,); sums: (n + 1,) as in `vectors`."""
        windows = vectors(sums, ends, length)
        mean = windows.mean(axis=0)
        centered = (windows - mean).astype(np.float64)
        axes = np.linalg.eigh(centered.T @ centered)[1][:, : -axes_of(length) - 1 : -1].astype(np.float32)
        coordinates = _augmented(windows, mean, axes, 1.0)[:, :-1]
        step = max(float(np.abs(coordinates).max()) / LARGEST_CODE, 1e-9)
        return cls(length, np.round(coordinates / np.float32(step)).astype(np.int8), step, mean, axes)

    def nearest(
        self, sums: Values, ends: Indices, bank_ends: Indices | None = None, reach: float = 0.0
    ) -> tuple[Values, Indices]:
        """Return the distances (m,) of the windows that end at `ends` (m,) from their nearest ones, and their indices.

        With the ends of the bank's windows (k,), those closer in time than `reach` are excluded.
        """
        known = self._known()
        distances, places = np.empty(len(ends)), np.empty(len(ends), dtype=np.int64)
        for start in range(0, len(ends), ROWS):
            part = slice(start, start + ROWS)
            windows = _augmented(vectors(sums, ends[part], self.length), self.mean, self.axes, self.step)
            closeness = windows @ known
            if bank_ends is not None:
                closeness[np.abs(ends[part, None] - bank_ends) < reach] = -np.inf
            places[part] = closeness.argmax(axis=1)
            # the matrix has differences of large numbers, so the distance is computed again, exactly
            difference = windows[:, :-1] - self.codes[places[part]]
            distances[part] = np.einsum("ij,ij->i", difference, difference)
        return self.step * np.sqrt(distances), places

    def _known(self) -> Vectors:
        """Return the coordinates and minus half of their squared norm (a + 2, k).

        Multiplied by coordinates and a 1, they are the larger the closer two windows are.
        """
        known = np.empty((self.codes.shape[1] + 1, len(self.codes)), dtype=np.float32)
        known[:-1] = self.codes.T
        np.einsum("ij,ij->j", known[:-1], known[:-1], out=known[-1])
        known[-1] *= -0.5
        return known


def _augmented(windows: Vectors, mean: Vectors, axes: Vectors, step: float) -> Vectors:
    """Return the coordinates (m, a + 1) of vectors (m, d) in units of `step`, and a 1.

    The coordinates are those on the axes, and the norm of what these leave over.
    """
    centered = (windows - mean) * np.float32(1 / step)
    out = np.ones((len(windows), axes.shape[1] + 2), dtype=np.float32)
    on_axes = np.matmul(centered, axes, out=out[:, :-2])
    rest = np.einsum("ij,ij->i", centered, centered) - np.einsum("ij,ij->i", on_axes, on_axes)
    np.sqrt(np.maximum(rest, 0.0), out=out[:, -2])
    return out
