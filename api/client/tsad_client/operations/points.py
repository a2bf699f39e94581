"""Push points, which the service stores and judges."""

from collections.abc import Iterable
from typing import TypeAlias

from tsad_client.columns import Data, number_of, points_of
from tsad_client.operations.bodies import Moment, body_of, moment_of, point_of
from tsad_client.running import operation
from tsad_client.sending import Call, Patience, Steps, ask
from tsad_client.verdicts import Pushed, PushedMany, StoredPoints

Point: TypeAlias = tuple[str, Moment, float | None]  # series id, time and value; None is a known gap


class PointsOperations:
    """Operations on stored points. Sending points again changes nothing."""

    patience: Patience

    @operation
    def push(self, series_id: str, data: Data, *, time: str | None = None, value: str | None = None) -> Steps[Pushed]:
        """Store the points of a frame, and judge those that are new. A missing value is a known gap."""
        points = points_of(data, time, value)
        call = Call(
            "POST",
            "/series/{series_id}/points",
            {"series_id": series_id},
            content=body_of(timestamps=points.timestamps, values=points.values),
        )
        return (yield from ask(call, Pushed, self.patience))

    @operation
    def push_points(self, points: Iterable[Point]) -> Steps[PushedMany]:
        """Store points of many series, and judge those that are new. `Client.pusher` buffers points for this."""
        return (yield from ask(lines_call(b"".join(map(line_of, points))), PushedMany, self.patience))

    @operation
    def stored_points(
        self, series_id: str, *, from_: Moment | None = None, to: Moment | None = None, max_points: int | None = None
    ) -> Steps[StoredPoints]:
        """Return stored points with the verdicts that they got, downsampled to `max_points`."""
        query = {"from": moment_of(from_), "to": moment_of(to), "max_points": max_points}
        call = Call("GET", "/series/{series_id}/points", {"series_id": series_id}, query)
        return (yield from ask(call, StoredPoints, self.patience))


def line_of(point: Point) -> bytes:
    """Encode a point as a line."""
    series_id, time, value = point
    return point_of(series_id=series_id, timestamp=moment_of(time), value=number_of(value)) + b"\n"


def lines_call(lines: bytes) -> Call:
    """Return the request that pushes lines."""
    return Call("POST", "/points", content=lines, media_type="application/x-ndjson")
