"""Compact columns of a series: distances instead of timestamps, and bytes in an order that compresses well.

Regular timestamps nearly vanish. Values with few decimals become distances of whole numbers; all others keep their
bytes, grouped by significance. Nothing is rounded; only negative zeros lose their sign.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Timestamps = NDArray[np.int64]
Values = NDArray[np.float64]
Arrays = dict[str, NDArray[Any]]

MAX_DECIMALS = 6
_EXACT = 2.0**53  # larger whole numbers are not exact in 64-bit floats


def compacted(timestamps: Timestamps, values: Values) -> Arrays:
    """Return arrays that `expanded` makes the same columns (n,) of, n >= 1."""
    steps = np.diff(timestamps)
    is_short = not len(steps) or steps.max() <= np.iinfo(np.int32).max
    values = values + 0.0  # -0.0 becomes 0.0, which is equal
    decimals = _decimals(values)
    if decimals is None:
        words = values.view(np.uint64)
    else:
        whole = _whole(values, decimals).astype(np.int64)
        distances: NDArray[np.int64] = np.concatenate((whole[:1], whole[1:] - whole[:-1]))
        words = ((distances << 1) ^ (distances >> 63)).view(np.uint64)  # small numbers of either sign have few bits
    return {
        "first": timestamps[:1],
        "steps": steps.astype(np.int32) if is_short else steps,
        "decimals": np.array(-1 if decimals is None else decimals, dtype=np.int8),
        "planes": np.ascontiguousarray(words.view(np.uint8).reshape(len(values), 8).T),
    }


def expanded(arrays: Arrays) -> tuple[Timestamps, Values]:
    """Return timestamps and values (n,); raise `KeyError` or `ValueError` for arrays that `compacted` did not make."""
    first, steps, planes = arrays["first"], arrays["steps"], arrays["planes"]
    if planes.ndim != 2 or planes.dtype != np.uint8 or planes.shape != (8, len(steps) + 1) or first.shape != (1,):
        raise ValueError("it does not hold compact columns of equal length")
    if first.dtype != np.int64 or steps.dtype not in (np.int32, np.int64):
        raise ValueError("it does not hold compact timestamps")
    timestamps = np.concatenate((first, steps)).cumsum(dtype=np.int64)
    words = np.ascontiguousarray(planes.T).reshape(-1).view(np.uint64)
    decimals = int(arrays["decimals"])
    if decimals < 0:
        return timestamps, words.view(np.float64)
    distances = (words >> np.uint64(1)).view(np.int64) ^ -(words & np.uint64(1)).view(np.int64)
    return timestamps, distances.cumsum() / 10.0**decimals


def _decimals(values: Values) -> int | None:
    """Return the number of decimals after which all values are exact; None if there is none up to `MAX_DECIMALS`."""
    for decimals in range(MAX_DECIMALS + 1):
        with np.errstate(over="ignore"):
            whole = _whole(values, decimals)
        if not (np.abs(whole) < _EXACT).all():
            return None
        if np.array_equal((whole.astype(np.int64) / 10.0**decimals).view(np.int64), values.view(np.int64)):
            return decimals
    return None


def _whole(values: Values, decimals: int) -> Values:
    return np.asarray(np.rint(values * 10.0**decimals))
