"""Responses about points: verdicts on them, and what became of those that were pushed."""

from typing import TypeAlias

from tsad_client.answers import Answer
from tsad_client.errors import Problem

Column: TypeAlias = list[float | None]


class Why(Answer):
    """What contributed most to a score."""

    component: str | None
    similar_from: int | None
    similar_distance: float | None
    direction: str | None = None
    once_in_s: float | None = None


class Verdict(Answer):
    """The verdict on one point: an anomaly if `score` is above 1. No `lower` or `upper`: there is no such bound."""

    anomaly: bool
    score: float
    expected: float | None
    lower: float | None
    upper: float | None
    model_version: str
    detector: str
    boundary: float | None = None
    absorbed: bool | None = None
    explanation: str | None = None
    why: Why | None = None


class BatchVerdicts(Answer):
    """The verdicts on many points, as columns; None where a point has none."""

    model_version: str
    detector: str
    anomaly: list[bool | None]
    score: Column
    expected: Column
    lower: Column
    upper: Column
    boundary: list[float] | None = None
    absorbed: list[bool | None] | None = None


class SeriesVerdict(Answer):
    """The verdict on one of many points, or the problem in its place."""

    series_id: str
    verdict: Verdict | None = None
    problem: Problem | None = None


class ManyVerdicts(Answer):
    results: list[SeriesVerdict]


class StreamVerdicts(Answer):
    """Stored points with their verdicts, as columns; None where a point has none."""

    timestamps: list[int]
    anomaly: list[bool | None]
    score: Column
    expected: Column
    lower: Column
    upper: Column
    model_version: list[str | None]


class RefusedPoint(Answer):
    """A point that was refused, and why."""

    loc: list[str | int]
    code: str
    msg: str


class Pushed(Answer):
    """What became of pushed points of one series. Everything is committed."""

    series_id: str
    accepted: int
    late: int
    repeated: int
    refused: int
    errors: list[RefusedPoint]
    status: str
    reason: str
    verdicts: StreamVerdicts | None
    alert_id: str | None


class RefusedLine(Answer):
    """A point of many series that was refused, and why. `line` counts from 1."""

    line: int
    series_id: str | None
    code: str
    detail: str


class PushedMany(Answer):
    """What became of pushed points of many series. Everything is committed."""

    series: int
    accepted: int
    late: int
    repeated: int
    refused: int
    problems: list[RefusedLine]
    alerts: list[str]


class StoredPoints(Answer):
    """A span of stored points with the verdicts that they got when they arrived, as columns."""

    series_id: str
    points: int  # in the span, including those not returned
    timestamps: list[int]
    values: Column
    late: list[bool]
    anomaly: list[bool | None]
    score: Column
    expected: Column
    lower: Column
    upper: Column
    model_version: list[str | None]
