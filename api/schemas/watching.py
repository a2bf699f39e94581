"""Bodies of requests and responses about watches, alerts and spans."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from api.schemas.jobs import Moment, one_of
from api.schemas.points import StreamVerdicts
from api.schemas.requests import Body
from api.schemas.rules import Closing, Duration, Gates, Notify, Off, Opening, Prefix, Refit, Silence
from shared.domain.watching.alerts import Alert, AlertStatus, Anomaly, Kind, Notice, Review
from shared.domain.watching.sentences import of_alert, subject_of
from shared.domain.watching.watches import Watch
from shared.store.alerts import StoredAlert
from shared.store.spans import Span
from shared.store.watched import Counts, Fits

KINDS_OF_SPANS = ("maintenance", "exclude")


class WatchBody(Body):
    """A watch. Every field but the prefix has a default; the answer shows them all."""

    prefix: Prefix
    detector: str = "auto"
    parameters: dict[str, Any] = msgspec.field(default_factory=dict)
    window: Duration = "28d"
    timezone: str = "UTC"
    refit: Refit | Off = msgspec.field(default_factory=Refit)
    keep_versions: Annotated[int, Meta(ge=1, le=1_000)] | None = None
    open: Opening = msgspec.field(default_factory=Opening)
    close: Closing = msgspec.field(default_factory=Closing)
    merge_within: Duration = "30m"
    gates: Gates = msgspec.field(default_factory=Gates)
    silence: Silence = "auto"
    notify_within: Duration = "1h"
    notify: Notify = msgspec.field(default_factory=Notify)


class WatchAnswer(Struct):
    """A watch with all its fields, and what it watches."""

    name: str
    prefix: str
    detector: str
    parameters: dict[str, Any]
    window: str
    timezone: str
    refit: dict[str, str | None] | str
    keep_versions: int | None
    open: dict[str, Any]
    close: dict[str, Any]
    merge_within: str
    gates: dict[str, Any]
    silence: str
    notify_within: str
    notify: dict[str, Any]
    paused: bool
    streams: int
    silent: int
    learning: int
    failing: int
    open_alerts: int
    last_fit_at: Moment | None
    next_fit_at: Moment | None

    @classmethod
    def of(cls, watch: Watch, counts: Counts, fits: Fits) -> "WatchAnswer":
        """Convert a watch."""
        columns = counts._asdict() | fits._asdict()
        return cls(name=watch.name, **watch.document(), paused=watch.paused, **columns)


class WatchList(Struct):
    """All watches that the key sees, ordered by name."""

    watches: list[WatchAnswer]


class SpanBody(Body, kw_only=True):
    """A span of time to mark on a series."""

    from_: int | str = msgspec.field(name="from")
    to: int | str
    kind: Annotated[str, one_of(*KINDS_OF_SPANS)]
    note: str = ""


class PrefixSpanBody(SpanBody, kw_only=True):
    """A span of time to mark on all series with a prefix."""

    prefix: str


class SpanAnswer(Struct):
    """A marked span of time."""

    span_id: str
    series_id: str | None
    prefix: str | None
    from_: int = msgspec.field(name="from")
    to: int
    kind: Annotated[str, one_of(*KINDS_OF_SPANS)]
    note: str
    created_at: Moment | None

    @classmethod
    def of(cls, span: Span) -> "SpanAnswer":
        """Convert a span."""
        return cls(
            span.id, span.series_id, span.prefix, span.from_ts, span.to_ts, span.kind, span.note, span.created_at
        )


class SpanList(Struct):
    """Marked spans, the latest first."""

    spans: list[SpanAnswer]


class PeakAnswer(Struct):
    """The anomaly with the highest score."""

    timestamp: int
    value: float
    score: float
    expected: float | None
    lower: float | None
    upper: float | None

    @classmethod
    def of(cls, peak: Anomaly) -> "PeakAnswer":
        """Convert an anomaly."""
        return cls(peak.timestamp, peak.value, peak.score, peak.expected, peak.lower, peak.upper)


def sentence_of(stored: StoredAlert) -> str:
    """Say what happened, since when and how bad."""
    return of_alert(stored.alert, subject_of(stored.alert, stored.series_id))


class ReviewBody(Body):
    """What an alert was. Without both, the review is removed."""

    review: Review | None = None
    note: Annotated[str, Meta(max_length=500, pattern=r"^[^\x00]*$")] = ""


class AlertAnswer(Struct):
    """An alert. Its times are timestamps of points."""

    alert_id: str
    series_id: str | None
    watch: str
    kind: Annotated[str, one_of(*Kind)]
    status: Annotated[str, one_of(*AlertStatus)]
    sentence: str
    began_at: int
    opened_at: int
    last_anomaly_at: int
    ended_at: int | None
    peak: PeakAnswer | None
    points: int
    version: str | None
    quiet: str | None
    receivers: list[str]
    step: int
    acknowledged_at: Moment | None
    acknowledged_by: str | None
    review: Annotated[str, one_of(*Review)] | None
    note: str
    reviewed_at: Moment | None
    reviewed_by: str | None
    created_at: Moment
    changed_at: Moment

    @classmethod
    def of(cls, stored: StoredAlert) -> "AlertAnswer":
        """Convert an alert."""
        alert = stored.alert
        return cls(
            alert_id=alert.id,
            series_id=stored.series_id,
            watch=alert.watch,
            kind=alert.kind,
            status=alert.status,
            sentence=sentence_of(stored),
            began_at=alert.started_at,
            opened_at=alert.opened_at,
            last_anomaly_at=alert.last_anomaly_at,
            ended_at=alert.ended_at,
            peak=None if alert.peak is None else PeakAnswer.of(alert.peak),
            points=alert.points,
            version=None if alert.version is None else str(alert.version),
            quiet=stored.quiet,
            receivers=stored.receivers,
            step=alert.step,
            acknowledged_at=stored.acknowledged_at,
            acknowledged_by=stored.acknowledged_by,
            review=stored.review,
            note=stored.note,
            reviewed_at=stored.reviewed_at,
            reviewed_by=stored.reviewed_by,
            created_at=stored.created_at,
            changed_at=stored.changed_at,
        )


class AlertPage(Struct):
    """Alerts, newest first; `next_cursor` is the cursor of the next page."""

    alerts: list[AlertAnswer]
    next_cursor: str | None


class SimulatedFitAnswer(Struct):
    """An automatic fit, which judges from the next point on."""

    model_version: str
    timestamp: int
    points: int
    slot: Annotated[int | None, Meta(description="moment of the watch's schedule; null: the series had grown")]


class SimulatedNotice(Struct):
    """A change of an alert that people would be notified of."""

    alert_id: str
    step: int
    type: Annotated[str, one_of(*Notice)]


class SimulatedAlert(Struct):
    """An alert that would have opened, as it was in the end."""

    alert_id: str
    status: Annotated[str, one_of(*AlertStatus)]
    sentence: str
    began_at: int
    opened_at: int
    last_anomaly_at: int
    ended_at: int | None
    peak: PeakAnswer | None
    points: int
    version: str | None

    @classmethod
    def of(cls, alert: Alert, subject: str) -> "SimulatedAlert":
        """Convert an alert of `subject`, the id of a series."""
        return cls(
            alert_id=alert.id,
            status=alert.status,
            sentence=of_alert(alert, subject),
            began_at=alert.started_at,
            opened_at=alert.opened_at,
            last_anomaly_at=alert.last_anomaly_at,
            ended_at=alert.ended_at,
            peak=None if alert.peak is None else PeakAnswer.of(alert.peak),
            points=alert.points,
            version=None if alert.version is None else str(alert.version),
        )


class SimulationAnswer(Struct):
    """What a watch would have done with points. Nothing is stored."""

    points: int
    fits: list[SimulatedFitAnswer]
    refits_left_out: Annotated[
        int, Meta(description="later fits of the schedule, which are left out: a simulation has at most 20")
    ]
    alerts: list[SimulatedAlert]
    notices: list[SimulatedNotice]
    notices_per_week: float
    values: list[float | None]
    verdicts: StreamVerdicts
