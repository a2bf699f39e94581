"""Bodies of requests. The OpenAPI document includes them."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field

from api.schemas.parameters import SERIES_ID_SCHEMA
from shared.domain.series import Values
from shared.domain.versions import LARGEST_VERSION

MAX_POINTS = 1_000  # of many series, in one request
Context = Sequence[float | None] | Values  # values before a point; NaN or None for a missing one


class Body(Struct, forbid_unknown_fields=True):
    """A request body. An unknown field is an error, so misspelled fields do not silently get defaults."""


class StoredWindow(Body):
    """A window of stored points: both ends are seconds since 1970 or ISO 8601, and included."""

    from_: int | str = field(name="from")
    to: int | str


class FitBody(Body):
    """Points to fit a detector to."""

    # Columns are decoded one by one, so only one list of Python numbers exists at a time.
    timestamps: msgspec.Raw = field(default_factory=msgspec.Raw)
    values: msgspec.Raw = field(default_factory=msgspec.Raw)
    stored: "str | StoredWindow | UnsetType" = UNSET
    detector: str | UnsetType = UNSET
    parameters: dict[str, Any] = {}


class RefitBody(Body):
    """How to refit a version."""

    detector: str | UnsetType = UNSET
    parameters: dict[str, Any] = {}


class BulkLine(FitBody, kw_only=True):
    """One line of a bulk fit."""

    series_id: Annotated[str, Meta(extra_json_schema=SERIES_ID_SCHEMA)]  # checked by `check_series_id`
    idempotency_key: str | None = None


class PinBody(Body):
    """The version to serve as latest."""

    version: Annotated[int, Meta(ge=1, le=LARGEST_VERSION)]


class PointsBody(Body):
    """Points to score."""

    timestamps: msgspec.Raw
    values: msgspec.Raw


class PushBody(Body):
    """Points to store and judge. A null value is a known gap."""

    timestamps: msgspec.Raw
    values: msgspec.Raw


class PointLine(Body):
    """One line of a push: a point, or columns of points."""

    series_id: Annotated[str, Meta(extra_json_schema=SERIES_ID_SCHEMA)]  # checked by `check_series_id`
    timestamp: int | str | UnsetType = UNSET
    value: float | UnsetType | None = UNSET
    timestamps: msgspec.Raw = field(default_factory=msgspec.Raw)
    values: msgspec.Raw = field(default_factory=msgspec.Raw)


class SimulateBody(Body, kw_only=True):
    """What to simulate: points, or the stored points of a series, and a watch."""

    series_id: str | UnsetType = UNSET
    timestamps: msgspec.Raw = field(default_factory=msgspec.Raw)
    values: msgspec.Raw = field(default_factory=msgspec.Raw)
    from_: int | str | UnsetType = field(name="from", default=UNSET)
    to: int | str | UnsetType = UNSET
    watch: dict[str, Any] = {}


class PredictBody(Body):
    """One point to score; the timestamp may be a string of digits. A null value or a null in `context` is missing."""

    timestamp: int | str
    value: float | None
    context: list[float | None] | None = None


class SeriesPoint(Body):
    """One point, and its series."""

    series_id: str
    timestamp: int | str
    value: float | None
    version: str | int | None = None
    context: list[float | None] | None = None


class ManyPointsBody(Body):
    """Points of many series."""

    points: Annotated[list[SeriesPoint], Meta(max_length=MAX_POINTS)]
