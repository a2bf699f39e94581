"""Training windows of several lengths, and the search for the ones that are nearest to new windows.

A window becomes the same vector as in `msnn`. The windows of a series resemble each other, so eight principal axes hold
nearly all of their differences. A window is stored as its coordinates on these axes and the norm of what they leave
over, rounded to 8 bits: nine bytes instead of 33 numbers, at no loss on labeled series.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.domain.detectors.msnn.bank import Layout, Vectors, vectors
from shared.domain.detectors.standards import Indices
from shared.domain.series import Values

AXES = 8
LARGEST_CODE = 127  # coordinates are rounded to integers of at most this magnitude
ROWS = 2_048  # of the distance matrix that are computed at a time

Codes = NDArray[np.int8]


class Nearest(NamedTuple):
    """Distances (m, s) of m new windows of each of s lengths from the nearest training windows, and their indices."""

    distances: Values  # NaN where the values before the point are fewer than a window
    places: Indices


@dataclass(frozen=True, slots=True)
class Banks:
    """Training windows of s lengths, k of each."""

    layout: Layout
    codes: Codes  # (s, k, AXES + 1) coordinates of the windows, in units of `steps`
    steps: Values  # (s,)
    means: Vectors  # (d,) of the windows' vectors; d columns hold the vectors of all lengths
    axes: Vectors  # (d, AXES) orthonormal axes of each length

    @classmethod
    def of(cls, sums: Values, ends: Indices, lengths: tuple[int, ...]) -> "Banks":
        """Learn from the windows that end at `ends` (s, k); sums: (n + 1,) as in `vectors`."""
        layout = Layout.of(lengths)
        codes, steps, means, axes = [], [], [], []
        for length, ends_of_length in zip(lengths, ends, strict=True):
            windows = vectors(sums, ends_of_length, Layout.of((length,)))
            means.append(windows.mean(axis=0))
            centered = (windows - means[-1]).astype(np.float64)
            axes.append(_principal_axes(centered.T @ centered))
            out = np.empty((1, len(windows), AXES + 1), dtype=np.float32)
            coordinates = _coordinates(windows - means[-1], axes[-1], np.array([windows.shape[1]]), out)[0]
            steps.append(max(float(np.abs(coordinates).max()) / LARGEST_CODE, 1e-9))
            codes.append(np.round(coordinates / np.float32(steps[-1])).astype(np.int8))
        return cls(layout, np.array(codes), np.array(steps), np.concatenate(means), np.concatenate(axes))

    @classmethod
    def stored(cls, lengths: tuple[int, ...], codes: Codes, steps: Values, means: Vectors, axes: Vectors) -> "Banks":
        """Give the flat arrays of a state their shape.

        Earlier releases stored fewer axes for windows of fewer than eight points: the missing ones become zeros.
        """
        layout = Layout.of(lengths)
        if axes.size == len(means) * AXES:
            return cls(layout, codes.reshape(len(lengths), -1, AXES + 1), steps, means, axes.reshape(-1, AXES))
        counts = np.minimum(AXES, layout.widths - 1)
        windows = len(codes) // int((counts + 1).sum())
        wide_codes = np.zeros((len(lengths), windows, AXES + 1), dtype=np.int8)
        wide_axes = []
        parts_of_codes = np.split(codes, np.cumsum(windows * (counts + 1))[:-1])
        parts_of_axes = np.split(axes, np.cumsum(layout.widths * counts)[:-1])
        for number, count in enumerate(counts.tolist()):
            coordinates = parts_of_codes[number].reshape(windows, count + 1)
            wide_codes[number, :, :count], wide_codes[number, :, AXES] = coordinates[:, :count], coordinates[:, count]
            wide_axes.append(_padded(parts_of_axes[number].reshape(-1, count)))
        return cls(layout, wide_codes, steps, means, np.concatenate(wide_axes))

    def nearest(
        self, sums: Values, ends: Indices, bank_ends: Indices | None = None, reaches: Values | None = None
    ) -> Nearest:
        """Find the training windows nearest to the windows of each length that end at `ends` (m,).

        With the ends of the training windows (s, k), those closer in time than `reaches` (s,) are excluded.
        """
        known = self._known()
        shape = (len(ends), len(known))
        distances, places = np.empty(shape), np.empty(shape, dtype=np.int64)
        numbers = np.arange(len(known))
        for start in range(0, len(ends), ROWS):
            part = slice(start, start + ROWS)
            windows = self._coordinates(vectors(sums, ends[part], self.layout))
            for number in numbers:
                closeness = windows[number] @ known[number]
                if bank_ends is not None and reaches is not None:
                    _exclude(closeness, ends[part], bank_ends[number], float(reaches[number]))
                closeness.argmax(axis=1, out=places[part, number])
            # the matrix has differences of large numbers, so the distances are computed again, exactly
            difference = windows[:, :, :-1] - self.codes[numbers[:, None], places[part].T]
            distances[part] = np.sqrt(np.einsum("smi,smi->ms", difference, difference)) * self.steps
        distances[ends[:, None] + 1 < self.layout.lengths] = np.nan
        return Nearest(distances, places)

    def _known(self) -> Vectors:
        """Return the coordinates and minus half of their squared norm (s, AXES + 2, k).

        Multiplied by coordinates and a 1, they are the larger the closer two windows are.
        """
        lengths, windows, _ = self.codes.shape
        known = np.empty((lengths, AXES + 2, windows), dtype=np.float32)
        known[:, :-1] = self.codes.transpose(0, 2, 1)
        np.einsum("sik,sik->sk", known[:, :-1], known[:, :-1], out=known[:, -1])
        known[:, -1] *= -0.5
        return known

    def _coordinates(self, windows: Vectors) -> Vectors:
        """Return the coordinates of vectors (m, d) of all lengths in units of `steps`, and a 1: (s, m, AXES + 2)."""
        widths = self.layout.widths
        centered = (windows - self.means) * np.repeat((1 / self.steps).astype(np.float32), widths)
        return _coordinates(centered, self.axes, widths, np.ones((len(widths), len(windows), AXES + 2), np.float32))


def _exclude(closeness: Vectors, ends: Indices, bank_ends: Indices, reach: float) -> None:
    """Exclude the training windows that end at `bank_ends` (k,), increasing, closer than `reach` to `ends` (m,).

    They are neighbors, and mostly the same for all of m consecutive ends, so few comparisons are needed.
    """
    first = np.searchsorted(bank_ends, ends - reach, "right")
    stop = np.searchsorted(bank_ends, ends + reach, "left")
    closeness[:, first.max() : stop.min()] = -np.inf
    for low, high in ((first.min(), first.max()), (stop.min(), stop.max())):
        places = np.arange(low, high)
        is_near = (places >= first[:, None]) & (places < stop[:, None])
        np.copyto(closeness[:, low:high], -np.inf, where=is_near)


def _principal_axes(squares: Values) -> Vectors:
    """Return the principal axes (d, AXES) of vectors, given their inner products (d, d); zeros if d is below AXES."""
    return _padded(np.linalg.eigh(squares)[1][:, : -AXES - 1 : -1][:, : len(squares) - 1].astype(np.float32))


def _padded(axes: Vectors) -> Vectors:
    """Return the axes (d, a) with zeros for missing ones: (d, AXES)."""
    return np.pad(axes, ((0, 0), (0, AXES - axes.shape[1])))


def _coordinates(centered: Vectors, axes: Vectors, widths: Indices, out: Vectors) -> Vectors:
    """Write the coordinates of vectors (m, d) of s lengths into `out` (s, m, >= AXES + 1), and return it.

    The coordinates are those on the axes (d, AXES) of the length, and the norm of what these leave over.
    """
    ends = np.cumsum(widths)
    remainder = np.empty_like(centered)
    for number, (end, width) in enumerate(zip(ends.tolist(), widths.tolist(), strict=True)):
        columns = slice(end - width, end)
        on_axes = np.matmul(centered[:, columns], axes[columns], out=out[number, :, :AXES])
        np.matmul(on_axes, axes[columns].T, out=remainder[:, columns])
    # a difference of squared norms would be shorter, but loses half of the digits
    np.subtract(centered, remainder, out=remainder)
    np.sqrt(np.add.reduceat(remainder * remainder, ends - widths, axis=1).T, out=out[:, :, AXES])
    return out
