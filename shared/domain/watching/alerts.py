"""Alerts: episodes of one series, from opening to closing, and the notices that they cause."""

from dataclasses import dataclass
from enum import StrEnum

BACKFILLED = "backfilled"  # quiet: the anomalies arrived long after they happened
OVER_BUDGET = "over budget"  # quiet: the watch had sent as many messages as it may


class Kind(StrEnum):
    """What an alert is about."""

    DEVIATION = "deviation"  # points that deviate
    SILENCE = "silence"  # no points
    REFIT_FAILING = "refit_failing"  # automatic fits that failed three times in a row


class AlertStatus(StrEnum):
    """Status of an alert."""

    OPEN = "open"
    ENDED = "ended"  # normal again; an anomaly within `merge_within` continues the alert
    CLOSED = "closed"


class Notice(StrEnum):
    """A change of an alert that people may be notified of."""

    OPENED = "alert.opened"
    ESCALATED = "alert.escalated"
    CLOSED = "alert.closed"


class Review(StrEnum):
    """What a person found an alert to be."""

    INCIDENT = "incident"
    FALSE_ALARM = "false_alarm"
    EXPECTED = "expected"


@dataclass(frozen=True, slots=True)
class Anomaly:
    """A point that deviates."""

    timestamp: int
    value: float
    score: float
    expected: float | None = None
    lower: float | None = None
    upper: float | None = None


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert as the rules see it. All times are timestamps of points."""

    id: str
    watch: str
    kind: Kind
    status: AlertStatus
    started_at: int  # the first anomaly; of a silence, the last point before it
    opened_at: int  # the point that opened it
    last_anomaly_at: int
    ended_at: int | None
    peak: Anomaly | None  # the anomaly with the highest score
    reported_score: float | None  # the highest score when the last notice was written
    points: int  # anomalies
    version: int | None
    quiet: str | None  # why nobody is notified
    step: int  # number of notices


@dataclass(frozen=True, slots=True)
class Noted:
    """A notice of an alert: the pair of alert and step is unique."""

    alert: str
    step: int
    type: Notice
    quiet: str | None
