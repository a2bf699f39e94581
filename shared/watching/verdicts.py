"""Verdicts on the new points of a stream, by the code of predictions."""

import logging
from dataclasses import dataclass

import numpy as np

from shared.domain.detectors.contract import Fitted
from shared.domain.series import Series, Timestamps, Values
from shared.errors import DamagedError
from shared.judging.context import context_in_stream
from shared.judging.states import States
from shared.judging.verdicts import judge
from shared.store.points import Tail
from shared.store.streams import Stream

logger = logging.getLogger(__name__)

NO_VERSION, IN_TRAINING, STATE_UNAVAILABLE, GAP, CONTEXT, UNSEEN = (
    "no_version", "in_training", "state_unavailable", "gap", "context", "time_not_learned",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class StreamVerdicts:
    """Verdicts on n new points; NaN where a point is unknown, or the detector has no such column."""

    scores: Values
    expected: Values | None = None
    lower: Values | None = None
    upper: Values | None = None
    boundaries: Values | None = None
    carry: list[float] | None = None
    version: int | None = None
    unknown: dict[str, int] | None = None  # number of unknown points by reason


def state_of(states: States, stream: Stream) -> Fitted | None:
    """Return the state of the latest version; None if there is none, or it is damaged.

    Raise `UnavailableError` if the store cannot be reached.
    """
    if stream.state is None:
        return None
    try:
        return states.load(stream.state)
    except DamagedError as error:
        logger.warning("points of %s are not judged: version %s: %s", stream.series_id, stream.latest, error.detail)
        return None


def verdicts_of(
    stream: Stream, fitted: Fitted | None, tail: Tail, timestamps: Timestamps, values: Values
) -> StreamVerdicts:
    """Judge n new points that continue the stream. values: (n,), NaN for known gaps.

    A detector that fails concerns this stream alone: its points are stored without verdicts.
    """
    count = len(timestamps)
    nothing = np.full(count, np.nan)
    if fitted is None:
        reason = NO_VERSION if stream.latest is None else STATE_UNAVAILABLE
        return StreamVerdicts(nothing, version=stream.latest, unknown={reason: count} if count else {})
    first = int(np.searchsorted(timestamps, stream.training_end or 0, "right"))
    unknown = {IN_TRAINING: first} if first else {}
    if first == count:
        return StreamVerdicts(nothing, carry=_carry(stream), version=stream.latest, unknown=unknown)
    try:
        return _judged(stream, fitted, tail, timestamps, values, first, unknown)
    except Exception:
        logger.exception("points of %s are not judged: the detector failed", stream.series_id)
        unknown[STATE_UNAVAILABLE] = count - first
        return StreamVerdicts(nothing, version=stream.latest, unknown=unknown)


def _judged(
    stream: Stream,
    fitted: Fitted,
    tail: Tail,
    timestamps: Timestamps,
    values: Values,
    first: int,
    unknown: dict[str, int],
) -> StreamVerdicts:
    """Judge the points from `first` on, which are later than the training data."""
    need = fitted.needs()
    before = Tail(np.concatenate((tail.timestamps, timestamps[:first])), np.concatenate((tail.values, values[:first])))
    context = context_in_stream(need, int(timestamps[first]), *before)
    points = Series(timestamps[first:], values[first:])
    missing = np.isnan(points.values)
    carry = _carry(stream)
    columns = {
        name: np.full(len(timestamps), np.nan) for name in ("scores", "expected", "lower", "upper", "boundaries")
    }
    if missing[0] and not len(context.values):  # nothing is known until the first value
        begun = first + (len(missing) if missing.all() else int(np.argmin(missing)))
        unknown[GAP] = begun - first
        if begun == len(timestamps):
            return StreamVerdicts(columns["scores"], carry=carry, version=stream.latest, unknown=unknown)
        return _judged(stream, fitted, tail, timestamps, values, begun, unknown)
    verdicts = judge(
        fitted,
        points,
        missing if missing.any() else None,
        context=context,
        carry=None if carry is None else np.array(carry),
    )
    scores = verdicts.scores
    judged = (scores.score, scores.expected, scores.lower, scores.upper, scores.boundary)
    for column, part in zip(columns.values(), judged, strict=True):
        if part is not None:
            column[first:] = part
    flags = missing if verdicts.unknown is None else verdicts.unknown
    columns["scores"][first:][flags] = np.nan
    unseen = np.zeros(len(points), dtype=np.bool_) if scores.unseen is None else scores.unseen & ~missing
    counts = {
        GAP: int(missing.sum()) + unknown.get(GAP, 0),
        CONTEXT: int((flags & ~missing & ~unseen).sum()),
        UNSEEN: int(unseen.sum()),
    }
    unknown |= {reason: number for reason, number in counts.items() if number}
    after = verdicts.carry
    return StreamVerdicts(
        **columns, carry=None if after is None else after.tolist(), version=stream.latest, unknown=unknown
    )


def _carry(stream: Stream) -> list[float] | None:
    """Return what the latest version remembers of the stream; None if it has not judged the newest point."""
    return stream.carry if stream.latest == stream.version else None
