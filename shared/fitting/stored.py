"""Training data from stored points: a window is frozen into an artifact, like points that a client sends."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from shared.domain.watching.watches import Watch
from shared.errors import Code, NotFoundError
from shared.fitting.checking import Columns, Fit, Method, Origin, check
from shared.settings import Settings
from shared.store import points, spans, streams
from shared.store.engine import Sessions


class Window(NamedTuple):
    """An inclusive interval of timestamps."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class StoredData:
    """Points of a window, and the intervals in it that a fit must not learn from."""

    columns: Columns
    excluded: list[list[int]]

    def parameters(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters of a fit with these intervals added to `exclude`."""
        exclude = given.get("exclude", [])
        if not self.excluded or not isinstance(exclude, list):
            return dict(given)
        return {**given, "exclude": [*exclude, *self.excluded]}


def read_stored(sessions: Sessions, series_id: str, window: Window | int, max_points: int) -> StoredData:
    """Read a window of stored points, or those of the last `window` seconds up to the newest point.

    Spans that people marked on the series, by maintenance or to exclude them, are excluded. Raise `NotFoundError` if no
    points of the series are stored.
    """
    with sessions.begin() as session:
        stream = streams.read(session, [series_id]).get(series_id)
        if stream is None or stream.last_timestamp is None:
            raise stream_not_found()
        if isinstance(window, int):
            window = Window(max(stream.last_timestamp - window, 0), stream.last_timestamp)
        timestamps, values = points.window(session, series_id, window.start, window.end, max_points + 1)
        marked = spans.of_series(session, series_id, window.start, window.end)
    excluded = [[max(span.from_ts, window.start), min(span.to_ts, window.end)] for span in marked]
    return StoredData((timestamps, values), sorted(excluded))


def check_stored(
    sessions: Sessions, settings: Settings, series_id: str, watch: Watch, window: Window | int, origin: Origin
) -> tuple[Fit, int]:
    """Return the fit of stored points as a watch says, and the seconds that its points span.

    Raise `NotFoundError` if no points of the series are stored, and `InputError` if they cannot be fitted.
    """
    stored = read_stored(sessions, series_id, window, settings.max_training_data_points)
    timestamps, _ = stored.columns
    method = Method.of(watch.detector, stored.parameters(watch.parameters))
    fit = check(series_id, lambda: stored.columns, method, origin, settings)
    return fit, int(timestamps[-1] - timestamps[0])


def stream_not_found() -> NotFoundError:
    """Create the error for a series without stored points."""
    return NotFoundError(
        Code.STREAM_NOT_FOUND, "No points of this series are stored. Send some to POST /series/{series_id}/points."
    )
