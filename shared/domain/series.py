"""A series of points: two arrays that are checked once, on construction."""

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from shared.domain.archives import has_column, sliced, unpacked
from shared.domain.compaction import compacted, expanded
from shared.errors import MAX_FLAWS, Code, DamagedError, Flaw, InputError
from shared.wording import counted

LAST_TIMESTAMP = 253_402_300_799  # 9999-12-31T23:59:59Z
DAY_S, WEEK_S = 86_400, 604_800

Timestamps = NDArray[np.int64]
Values = NDArray[np.float64]
Flags = NDArray[np.bool_]
Indices = NDArray[np.intp]

_SERIES_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


def check_series_id(series_id: str) -> str:
    """Return the id without surrounding whitespace; raise `InputError` if it is invalid."""
    trimmed = series_id.strip()
    if not _SERIES_ID.fullmatch(trimmed) or ".." in trimmed or trimmed == ".":
        raise InputError(
            Code.INVALID_SERIES_ID,
            "Invalid series id. Use 1 to 128 letters, digits, dots, dashes and underscores, "
            "but neither '.' alone nor '..' anywhere.",
        )
    return trimmed


@dataclass(frozen=True, slots=True)
class Series:
    """Points in order: `timestamps` (n,) int64 seconds since the epoch, strictly increasing; `values` (n,) finite."""

    timestamps: Timestamps
    values: Values

    def __len__(self) -> int:
        return len(self.timestamps)

    @classmethod
    def checked(
        cls, timestamps: Sequence[int] | Timestamps, values: Sequence[float] | Values, *, max_points: int
    ) -> Self:
        """Make a series of 1 to `max_points` points; raise an `InputError` that names the invalid points."""
        if len(timestamps) != len(values):
            raise InputError(
                Code.LENGTHS_DIFFER,
                f"{counted(len(timestamps), 'timestamp')}, but {counted(len(values), 'value')}. "
                "Send one value per timestamp.",
            )
        if len(timestamps) > max_points:
            raise InputError(Code.TOO_MANY_POINTS, f"{len(timestamps):,} points exceed the limit of {max_points:,}.")
        if len(timestamps) == 0:
            raise InputError(Code.TOO_FEW_POINTS, "The series has no points: at least 1 is needed.")
        series = cls(_as_timestamps(timestamps), np.asarray(values, dtype=np.float64))
        _reject(~np.isfinite(series.values), "values", Code.NOT_FINITE, "Every value must be a finite number.")
        backwards = np.concatenate(([False], np.diff(series.timestamps) <= 0))
        _reject(
            backwards,
            "timestamps",
            Code.TIMESTAMPS_NOT_INCREASING,
            "Timestamps must be strictly increasing: each later than the one before it.",
        )
        return series

    @classmethod
    def for_training(
        cls,
        timestamps: Sequence[int] | Timestamps,
        values: Sequence[float] | Values,
        *,
        min_points: int,
        max_points: int,
    ) -> Self:
        """Make a series of at most `max_points` points that passes `check_learnable`; raise `InputError` otherwise."""
        series = cls.checked(timestamps, values, max_points=max_points)
        series.check_learnable(min_points)
        return series

    def without(self, windows: Sequence[Sequence[int]]) -> "Series":
        """Return the points outside all windows; a window is an inclusive pair of timestamps."""
        if not windows:
            return self
        ends = np.sort(np.array(windows, dtype=np.int64), axis=1)
        depth = np.zeros(len(self) + 1, dtype=np.int64)
        np.add.at(depth, np.searchsorted(self.timestamps, ends[:, 0], "left"), 1)
        np.add.at(depth, np.searchsorted(self.timestamps, ends[:, 1], "right"), -1)
        outside = depth.cumsum()[:-1] == 0
        return Series(self.timestamps[outside], self.values[outside])

    def check_learnable(self, min_points: int) -> None:
        """Raise `InputError` for a series that is too short, constant or too large to learn from."""
        if len(self) < min_points:
            raise InputError(
                Code.TOO_FEW_POINTS,
                f"{counted(len(self), 'point is', 'points are')} too few to learn from: "
                f"at least {min_points:,} are needed.",
            )
        if self.values.min() == self.values.max():
            raise InputError(
                Code.CONSTANT_SERIES,
                f"All values are the same, {self.values[0]:g}: a constant series has no spread to learn from.",
            )
        with np.errstate(over="ignore", invalid="ignore"):
            spread = np.var(self.values)
        if not np.isfinite(spread):
            raise InputError(
                Code.VALUES_TOO_LARGE,
                "The values are too large: their mean or spread overflows a 64-bit float.",
            )

    def encode(self, *, compact: bool = False) -> memoryview:
        """Encode the training data artifact, an npz archive. Equal series give equal bytes.

        compact: take a quarter of the space or less, and about ten times as long.
        """
        buffer = io.BytesIO()
        if compact:
            arrays: dict[str, Any] = compacted(self.timestamps, self.values)
            np.savez_compressed(buffer, allow_pickle=False, **arrays)
        else:
            np.savez(buffer, allow_pickle=False, timestamps=self.timestamps, values=self.values)
        return buffer.getbuffer()

    @classmethod
    def decode(cls, content: bytes) -> Self:
        """Read what `encode` wrote; raise `DamagedError` for any other bytes."""
        try:
            arrays = unpacked(content)
            timestamps, values = expanded(arrays) if "planes" in arrays else (arrays["timestamps"], arrays["values"])
            columns_differ = timestamps.ndim != 1 or timestamps.shape != values.shape
            if columns_differ or timestamps.dtype != np.int64 or values.dtype != np.float64:
                raise ValueError("it does not hold two columns of equal length")  # noqa: TRY301 - the same error for all damage
            return cls(timestamps, values)
        except (ValueError, KeyError) as error:
            raise DamagedError(Code.ARTIFACT_DAMAGED, f"The training data cannot be read: {error}") from error


def timestamp_slices(content: IO[bytes], length: int) -> Iterator[Timestamps]:
    """Yield the timestamps in a file that holds what `Series.encode` wrote, in slices of `length`."""
    return _slices(content, "timestamps", np.int64, length)


def value_slices(content: IO[bytes], length: int) -> Iterator[Values]:
    """Yield the values in a file that holds what `Series.encode` wrote, in slices of `length`."""
    return _slices(content, "values", np.float64, length)


def _slices(content: IO[bytes], name: str, dtype: type[np.generic], length: int) -> Iterator[NDArray[Any]]:
    """Yield a column in slices; a compact series is read as a whole."""
    if not has_column(content, "planes"):
        return sliced(content, name, dtype, length)
    content.seek(0)
    column = getattr(Series.decode(content.read()), name)
    return (column[start : start + length] for start in range(0, len(column), length))


def check_timestamp(timestamp: int) -> int:
    """Return the timestamp; raise `InputError` for one before 1970 or after the year 9999."""
    if not 0 <= timestamp <= LAST_TIMESTAMP:
        message = _timestamp_rule(timestamp)
        raise InputError(Code.INVALID_TIMESTAMP, message, flaws=[Flaw(("timestamp",), message)])
    return timestamp


def _as_timestamps(timestamps: Sequence[int] | Timestamps) -> Timestamps:
    try:
        array = np.asarray(timestamps, dtype=np.int64)
        outside = (array < 0) | (array > LAST_TIMESTAMP)
    except OverflowError:  # a timestamp exceeds 64 bits
        array = np.empty(0, dtype=np.int64)
        outside = np.fromiter((not 0 <= timestamp <= LAST_TIMESTAMP for timestamp in timestamps), dtype=bool)
    if outside.any():
        largest = max(int(timestamps[index]) for index in np.flatnonzero(outside)[:MAX_FLAWS])
        _reject(outside, "timestamps", Code.INVALID_TIMESTAMP, _timestamp_rule(largest))
    return array


def _timestamp_rule(timestamp: int) -> str:
    hint = " This one looks like milliseconds: divide by 1000." if timestamp > LAST_TIMESTAMP else ""
    return f"Timestamps are whole seconds since 1970, from 0 to {LAST_TIMESTAMP}.{hint}"


def _reject(invalid: NDArray[np.bool_], field: str, code: Code, message: str) -> None:
    """Raise an `InputError` that names the first `MAX_FLAWS` indices where `invalid` (n,) is true, if any."""
    indices = np.flatnonzero(invalid)
    if len(indices):
        flaws = [Flaw((field, int(index)), message) for index in indices[:MAX_FLAWS]]
        raise InputError(code, f"{message} Violations: {len(indices):,}, first at {field}[{indices[0]}].", flaws=flaws)
