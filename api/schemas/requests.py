"""Bodies of requests. The OpenAPI document includes them."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from shared.domain.versions import LARGEST_VERSION


class Body(Struct, forbid_unknown_fields=True):
    """A request's body: a misspelt field is an error, not a default."""


class FitBody(Body):
    """Points to learn from. Columns are decoded one by one, so that no two lists of Python numbers exist at a time."""

    timestamps: msgspec.Raw
    values: msgspec.Raw
    detector: str = "baseline"
    parameters: dict[str, Any] = {}


class RefitBody(Body):
    """How to learn from a version's points again."""

    detector: str = "baseline"
    parameters: dict[str, Any] = {}


class BulkLine(FitBody, kw_only=True):
    """One fit of many."""

    series_id: str
    idempotency_key: str | None = None


class PinBody(Body):
    """The version that latest is to mean."""

    version: Annotated[int, Meta(ge=1, le=LARGEST_VERSION)]


class PointsBody(Body):
    """Points to judge."""

    timestamps: msgspec.Raw
    values: msgspec.Raw


class PredictBody(Body):
    """One point to judge; the timestamp may be a string of digits."""

    timestamp: int | str
    value: float
    context: list[float] | None = None


class SeriesPoint(Body):
    """One point of one of many series."""

    series_id: str
    timestamp: int | str
    value: float
    version: str | int | None = None
    context: list[float] | None = None


class ManyPointsBody(Body):
    """Points of many series."""

    points: Annotated[list[SeriesPoint], Meta(max_length=1000)]
