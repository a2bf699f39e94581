"""Bodies of requests and responses about sources."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from api.schemas.jobs import Moment, one_of
from api.schemas.requests import Body
from api.schemas.rules import Duration
from shared.domain.watching.sources import SourceKind
from shared.store.fetching import Run
from shared.store.sources import Collision, StoredSource


class SourceQuery(Body):
    """A query, and which series each of its results becomes."""

    query: Annotated[str, Meta(description="PromQL")]
    id_template: Annotated[str, Meta(description="The id, with `{label}` for the value of a label")]
    step: Annotated[Duration, Meta(description="Time between two points")] = "1m"


class SourceBody(Body):
    """A source. `select` belongs to the kind `remote_write`, the fields after `id_template` to `prometheus`."""

    kind: Annotated[str, one_of(*SourceKind)]
    select: dict[str, str | list[str]] | UnsetType = UNSET
    id_template: str | UnsetType = UNSET
    url: str | UnsetType = UNSET
    url_env: str | UnsetType = UNSET
    token_env: str | UnsetType = UNSET
    queries: list[SourceQuery] | UnsetType = UNSET
    every: Duration | UnsetType = UNSET
    offset: Duration | UnsetType = UNSET
    history: Duration | UnsetType = UNSET


class CollisionAnswer(Struct):
    """Two sets of labels that have the same id; the points of the second are ignored."""

    series_id: str
    labels: dict[str, str]
    rejected: dict[str, str]

    @classmethod
    def of(cls, collision: Collision) -> "CollisionAnswer":
        """Convert a collision."""
        return cls(collision.series_id, dict(collision.labels), dict(collision.rejected))


class SourceAnswer(SourceBody, omit_defaults=True, kw_only=True):
    """A source with all its fields, and what it has brought."""

    name: str
    series: int
    collisions: list[CollisionAnswer]
    failing_since: Moment | None = None
    next_run_at: Moment | None = None

    @classmethod
    def of(cls, stored: StoredSource, series: int, collisions: list[Collision]) -> "SourceAnswer":
        """Convert a source. series: how many it has."""
        return cls(
            name=stored.source.name,
            **stored.source.document(),
            series=series,
            collisions=[CollisionAnswer.of(collision) for collision in collisions],
            failing_since=stored.failing_since,
            next_run_at=stored.due_at,
        )


class RunAnswer(Struct):
    """One run of a fetched source."""

    run_id: int
    started_at: Moment
    ended_at: Moment | None
    status: Annotated[str, one_of("running", "succeeded", "failed", "lost")]
    first: int | None
    until: int | None
    series: int
    points: int
    refused: int
    detail: str

    @classmethod
    def of(cls, run: Run) -> "RunAnswer":
        """Convert a run."""
        return cls(
            run.run_id,
            run.started_at,
            run.ended_at,
            run.status,
            run.from_ts,
            run.to_ts,
            run.series,
            run.points,
            run.refused,
            run.detail,
        )


class RunList(Struct):
    """Runs of a source, newest first."""

    runs: list[RunAnswer]


class TriedSeries(Struct):
    """A series that a source has now, with its newest point."""

    series_id: str
    labels: dict[str, str]
    timestamp: int
    value: float | None


class TestAnswer(Struct):
    """What a source has now. Nothing is stored."""

    series: int
    first: list[TriedSeries]
    error: str | None


class SourceList(Struct):
    """All sources, ordered by name."""

    sources: list[SourceAnswer]
