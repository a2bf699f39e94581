"""Parts of the body of a watch. Only the OpenAPI document uses these types: `watches.parse` reads the documents."""

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from api.schemas.jobs import one_of
from api.schemas.requests import Body
from shared.domain.watching.notify import MAX_RECEIVERS
from shared.domain.watching.watches import DIRECTIONS, MAX_OF

Duration: TypeAlias = Annotated[str, Meta(pattern=r"^[0-9]{1,9}(s|m|h|d)$")]
Count: TypeAlias = Annotated[int, Meta(ge=1, le=MAX_OF)]
Silence: TypeAlias = Annotated[str, Meta(pattern=r"^(auto|off|[0-9]{1,9}(s|m|h|d))$")]
Prefix: TypeAlias = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{0,128}$")]
Positive: TypeAlias = Annotated[float, Meta(gt=0)]
Off: TypeAlias = Literal["off"]


class Opening(Body):
    """When an alert opens."""

    anomalies: Annotated[Count, Meta(description="So many anomalies open an alert")] = 2
    of: Annotated[Count, Meta(description="… among so many of the newest points")] = 3
    at_once: Annotated[
        Annotated[float, Meta(gt=1)] | None, Meta(description="One point with this score opens an alert; null: never")
    ] = 3.0


class Closing(Body):
    """When an alert ends."""

    normal: Annotated[int, Meta(ge=1, le=10_000, description="So many points in a row below `below` end an alert")] = 5
    below: Annotated[float, Meta(gt=0, le=1, description="A score below this is normal again")] = 0.8
    after: Annotated[Duration, Meta(description="Without an anomaly for this time, an alert ends")] = "7d"


class Gates(Body):
    """Which anomalies count."""

    direction: Annotated[
        str, one_of(*DIRECTIONS), Meta(description="Above (up) or below (down) the expected value, or both")
    ] = "both"
    min_abs: Annotated[
        Positive | None, Meta(description="Least distance from the expected value; null: any distance")
    ] = None


class Refit(Body):
    """When series are refitted."""

    every: Annotated[Duration, Meta(description="Time between two fits")] = "1d"
    at: Annotated[
        Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")] | None,
        Meta(description="Time of day, if `every` is in whole days; null: spread over the time"),
    ] = None


class Budget(Body):
    """At most so many messages in a time; further changes are quiet."""

    messages: Annotated[int, Meta(ge=1, le=100_000, description="Largest number of messages")] = 20
    per: Annotated[Duration, Meta(description="The time in which they are counted")] = "1d"


class Notify(Body):
    """Whom a watch notifies, and how often."""

    receivers: Annotated[list[str], Meta(max_length=MAX_RECEIVERS, description="Names of receivers")] = msgspec.field(
        default_factory=list
    )
    at_most: Budget = msgspec.field(default_factory=Budget)
    group_wait: Annotated[Duration, Meta(description="After a message, changes are collected for this time")] = "30s"
