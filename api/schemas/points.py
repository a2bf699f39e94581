"""Bodies of responses about stored points."""

import numpy as np
from msgspec import Struct

from api.schemas.answers import nullable
from shared.domain.detectors.contract import absorbed
from shared.domain.watching.stored import LATE, StoredPoints


class RefusedPoint(Struct):
    """A point that was refused, and why."""

    loc: list[str | int]
    code: str
    msg: str


class StreamVerdicts(Struct):
    """Stored points in order with their verdicts, as columns; null where a point has no verdict."""

    timestamps: list[int]
    anomaly: list[bool | None]
    score: list[float | None]
    expected: list[float | None]
    lower: list[float | None]
    upper: list[float | None]
    boundary: list[float | None]
    absorbed: list[bool | None]
    model_version: list[str | None]

    @classmethod
    def of(cls, points: StoredPoints) -> "StreamVerdicts":
        """Convert the verdicts of n points."""
        score = nullable(points.scores)
        return cls(
            timestamps=points.timestamps.tolist(),
            anomaly=[None if one is None else one > 1 for one in score],
            score=score,
            expected=nullable(points.expected),
            lower=nullable(points.lower),
            upper=nullable(points.upper),
            boundary=nullable(points.boundaries),
            absorbed=[
                None if np.isnan(score) else is_absorbed
                for score, is_absorbed in zip(
                    points.scores.tolist(), absorbed(points.scores, points.boundaries).tolist(), strict=True
                )
            ],
            model_version=[None if version in (None, LATE) else str(version) for version in points.versions],
        )


class PushAnswer(Struct):
    """What became of pushed points. Everything is committed."""

    series_id: str
    accepted: int  # stored by this request
    late: int  # of these: older than the newest point, so never judged
    repeated: int  # stored before, or several of one timestamp in this request
    refused: int
    errors: list[RefusedPoint]  # the first of the refused points
    status: str  # of the stream: learning, watching, ended, silent or paused
    reason: str
    verdicts: StreamVerdicts | None  # null for more than 5,000 points, and while no version judges them
    alert_id: str | None  # of the alert that is open after these points


class LineProblem(Struct):
    """A line, or a point in it, that was refused."""

    line: int
    series_id: str | None
    code: str
    detail: str


class LinesAnswer(Struct):
    """What became of the points of all lines. Everything is committed."""

    series: int
    accepted: int
    late: int
    repeated: int
    refused: int
    problems: list[LineProblem]  # the first 100
    alerts: list[str]  # ids of the alerts that are open after these points, at most 100


class StoredPointsAnswer(Struct):
    """A span of stored points with the verdicts that they got, downsampled for a chart."""

    series_id: str
    points: int  # in the span, including those not returned
    timestamps: list[int]
    values: list[float | None]  # null: a known gap
    late: list[bool]  # came after a newer point, and was never judged
    anomaly: list[bool | None]
    score: list[float | None]
    expected: list[float | None]
    lower: list[float | None]
    upper: list[float | None]
    model_version: list[str | None]


class DeletionAnswer(Struct):
    """Points that are being deleted."""

    series_id: str
    before: int
