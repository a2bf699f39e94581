"""Context of a point: the values before it, and how many of them may be missing.

It consists of the last training values, missed intervals, and recent values from the request.
"""

import math
from typing import NamedTuple

import numpy as np

from shared.domain.detectors.contract import Need, max_missing
from shared.domain.series import Flags, Timestamps, Values

NO_VALUES: Values = np.empty(0)


class Context(NamedTuple):
    """Values before a point, oldest first: training values, then missed intervals, then recent values."""

    values: Values  # (m,); a missing one repeats the value before it
    missed: int = 0  # how many of the values stand for missed intervals
    recent: int = 0  # how many of the values came with the request
    absent: Flags | None = None  # (recent,) recent values that are known to be missing; None = none
    forgotten: int = 0  # how many of the first values stand for training values that the state does not hold

    @property
    def missing(self) -> Flags:
        """Flags (m,) of the values that are not known."""
        indices = np.arange(len(self.values))
        end = len(self.values) - self.recent
        flags = (indices < self.forgotten) | ((indices >= end - self.missed) & (indices < end))
        if self.absent is not None:
            flags[end:] = self.absent
        return flags

    def since(self, place: int) -> "Context":
        """Return the values from index `place` on."""
        missing = self.missing[place:]
        return Context(self.values[place:], recent=len(missing), absent=missing if missing.any() else None)

    @property
    def is_complete(self) -> bool:
        """Whether no value is missing."""
        return self.missed == self.forgotten == 0 and self.absent is None


def context_of(need: Need, timestamp: int, recent: Values = NO_VALUES) -> Context:
    """Join the known values before a point at `timestamp`, up to the number that its detector needs.

    recent: (k,) values from the request, oldest first, one interval apart, ending one interval before the point; NaN
    for a missing one.

    If these are too few, training values precede them. Training values that the recent ones repeat, or that come after
    the point, are left out, and the last training value fills each missed interval in between. If too many intervals
    were missed, or the point is too far inside the training data, the context has only the recent values.
    """
    joined = _joined(need, timestamp, recent)
    if not (len(recent) and np.isnan(recent).any()):
        return joined
    absent = np.isnan(recent)
    before = joined.values[: len(joined.values) - len(recent)]
    filled = np.nan_to_num(carried_forward(before, recent, absent))  # 0 if no value is known
    return joined._replace(values=np.concatenate((before, filled)), absent=absent)


def _joined(need: Need, timestamp: int, recent: Values) -> Context:
    lacking = need.points - len(recent)
    if lacking <= 0:
        return Context(recent, recent=len(recent))
    intervals = math.ceil((timestamp - need.last_timestamp) / need.interval_s - 0.5)  # <= 0 inside the training data
    missed = (max(intervals, 1) if timestamp > need.last_timestamp else intervals) - 1 - len(recent)
    repeated = max(-missed, 0)  # training values that the recent ones repeat, or that come after the point
    missed = max(missed, 0)
    end = len(need.tail) - repeated
    forgotten = max(min(lacking - end, repeated), 0)  # values before the tail, which the state does not keep
    if missed + forgotten > max_missing(need.points) or end <= 0:
        return Context(recent, recent=len(recent))
    missed = min(missed, lacking)
    tail = need.tail[max(end - (lacking - missed), 0) : end]
    if not (missed or len(recent) or forgotten):
        return Context(tail)
    padding = np.full(forgotten, tail[0] if len(tail) else 0.0)
    fill = np.full(missed, need.tail[-1])
    return Context(np.concatenate((padding, tail, fill, recent)), missed, len(recent), forgotten=forgotten)


def context_in_stream(need: Need, timestamp: int, timestamps: Timestamps, values: Values) -> Context:
    """Return the context of a point at `timestamp` that continues a stream.

    timestamps, values: (k,) the last points of the stream in order, NaN for known gaps: at least `need.points` of them,
    or all. A stream is one long batch that begins with its first point after the training data, so its context is that
    of this point, followed by all later points.
    """
    first = int(np.searchsorted(timestamps, need.last_timestamp, "right")) if need.points else len(timestamps)
    timestamps, values = timestamps[first:], values[first:]
    lacking = need.points - len(values)
    before = (
        context_of(need, int(timestamps[0]) if len(timestamps) else timestamp) if lacking > 0 else Context(NO_VALUES)
    )
    gaps = np.isnan(values)
    if lacking > 0 and not len(before.values):  # the stream begins with its first known value
        begun = int(np.argmin(gaps)) if not gaps.all() else len(gaps)
        values, gaps = values[begun:], gaps[begun:]
    if gaps.any():
        values = np.nan_to_num(carried_forward(before.values, values, gaps))  # 0 if no value is known
    kept = min(len(before.values), max(lacking, 0))
    values, gaps = values[-need.points :] if need.points else NO_VALUES, gaps[-need.points :]
    return Context(
        np.concatenate((before.values[len(before.values) - kept :], values)),
        min(before.missed, kept),
        len(values),
        gaps if gaps.any() else None,
    )


def lost(before: Flags, missing: Flags, needed: int) -> Flags:
    """Flag the missing values that come after too many others in a row: all values before them are out of date.

    before: (m,) flags of the missing values before the first point. missing: (n,) flags of the missing points. Returns
    flags (m + n,): the first values of a long gap are bridged, as a shorter gap would be.
    """
    flags = np.concatenate((before, missing))
    places = np.arange(len(flags))
    last_known = np.maximum.accumulate(np.where(flags, -1, places))
    return np.asarray(flags & (places - last_known > max_missing(needed)))


def carried_forward(before: Values, values: Values, missing: Flags) -> Values:
    """Fill each missing value (n,) with the last known value before it, so that no score depends on later values.

    before: (m,) values before the first of these. Without any, the first known value also fills the gap before it.
    """
    known = np.flatnonzero(~missing)
    last = np.searchsorted(known, np.arange(len(values)), "right") - 1
    filled = values[known[np.maximum(last, 0)]] if len(known) else values.copy()
    if len(before):
        filled[last < 0] = before[-1]
    return filled


def interpolated(values: Values, missing: Flags) -> Values:
    """Fill missing values (n,) by linear interpolation, for modes that use values on both sides of a point."""
    indices = np.arange(len(values))
    return np.interp(indices, indices[~missing], values[~missing])


def too_few_before(before: Flags, missing: Flags, needed: int, least: int | None = None) -> Flags:
    """Flag the points (n,) that have too few values before them, or too many missing ones among the last `needed`.

    Fewer than `least` are too few, or fewer than `needed` if it is None.

    before: (m,) flags of the missing values before the first point. missing: (n,) flags of the missing points.
    """
    flags = np.concatenate((before, missing))
    indices = np.arange(len(before), len(flags))
    counts = np.concatenate(([0], np.cumsum(flags)))
    gaps = counts[indices] - counts[np.maximum(indices - needed, 0)]
    return (indices < (needed if least is None else least)) | (gaps > max_missing(needed))
