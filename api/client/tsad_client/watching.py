"""Responses about watches, alerts and simulations."""

from datetime import datetime
from typing import Any

from tsad_client.answers import Answer
from tsad_client.verdicts import Column, StreamVerdicts


class Watch(Answer):
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


class WatchList(Answer):
    watches: list[Watch]


class Peak(Answer):
    """The anomaly with the highest score."""

    timestamp: int
    value: float
    score: float
    expected: float | None
    lower: float | None
    upper: float | None


class Alert(Answer):
    """An alert. Its times are timestamps of points."""

    alert_id: str
    series_id: str | None
    watch: str
    kind: str  # deviation, silence or refit_failing
    status: str  # open, ended or closed
    sentence: str
    began_at: int
    opened_at: int
    last_anomaly_at: int
    ended_at: int | None
    peak: Peak | None
    points: int
    version: str | None
    quiet: str | None
    receivers: list[str]
    acknowledged_at: datetime | None
    review: str | None  # incident, false_alarm or expected
    note: str
    reviewed_at: datetime | None
    created_at: datetime
    changed_at: datetime


class AlertPage(Answer):
    alerts: list[Alert]
    next_cursor: str | None


class SimulatedFit(Answer):
    """An automatic fit, which judges from the next point on."""

    model_version: str
    timestamp: int
    points: int
    slot: int | None  # moment of the watch's schedule; None: the series had grown


class SimulatedAlert(Answer):
    """An alert that would have opened, as it was in the end."""

    alert_id: str
    status: str
    sentence: str
    began_at: int
    opened_at: int
    last_anomaly_at: int
    ended_at: int | None
    peak: Peak | None
    points: int


class Simulation(Answer):
    """What a watch would have done with points of the past."""

    points: int
    fits: list[SimulatedFit]
    refits_left_out: int
    alerts: list[SimulatedAlert]
    notices_per_week: float
    values: Column
    verdicts: StreamVerdicts


class Change(Answer):
    """An object before and after `apply`; None where it does not exist."""

    section: str
    name: str
    action: str  # create, change, delete or keep
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    secret: str | None = None  # that was created, and is not shown again


class Applied(Answer):
    """Every object of the sections that were applied."""

    dry_run: bool
    changes: list[Change]
