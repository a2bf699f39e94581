"""Reading stored points. A child of the API may do this, because Python holds its global lock while it fetches rows."""

import msgspec

from api.charts.stored import thinned
from api.schemas.answers import nullable
from api.schemas.points import StoredPointsAnswer
from shared.domain.watching.stored import LATE
from shared.fitting.stored import stream_not_found
from shared.store import points, streams
from shared.watching.pushing import Pushing

MAX_READ = 1_000_000


def read_stored(pushing: Pushing, series_id: str, first: int, last: int, max_points: int) -> memoryview:
    """Return the encoded answer with at most `max_points` points of a span; raise `NotFoundError` without a stream."""
    with pushing.sessions.begin() as session:
        found = points.between(session, series_id, first, last, MAX_READ)
        if not len(found) and series_id not in streams.read(session, [series_id]):
            raise stream_not_found()
    total = len(found)
    found = thinned(found, max_points)
    score = nullable(found.scores)
    answer = StoredPointsAnswer(
        series_id=series_id,
        points=total,
        timestamps=found.timestamps.tolist(),
        values=nullable(found.values),
        late=[version == LATE for version in found.versions],
        anomaly=[None if one is None else one > 1 for one in score],
        score=score,
        expected=nullable(found.expected),
        lower=nullable(found.lower),
        upper=nullable(found.upper),
        model_version=[str(version) if version else None for version in found.versions],
    )
    return memoryview(msgspec.json.encode(answer))
