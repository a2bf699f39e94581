"""Which alerts a list, a feed or a count has, as a condition in SQL."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from shared.domain.series import DAY_S
from shared.domain.watching.alerts import AlertStatus, Kind, Review

HANDLING = """
CASE WHEN a.quiet IS NOT NULL THEN 'quiet' WHEN a.acknowledged_at IS NULL THEN 'unacknowledged' ELSE 'acknowledged' END
"""
REVIEW = "coalesce(a.review, 'none')"
# Constants fold, so a review that is stated uses the index of reviewed alerts.
_CONDITIONS = {
    "series_id": "a.series_id = :series_id",
    "prefix": "a.series_id >= :prefix AND a.series_id < :prefix || '~'",
    "watch": "a.watch = :watch",
    "status": "a.status = :status",
    "kind": "a.kind = :kind",
    "handling": f"{HANDLING} = :handling",
    "review": "(a.review = :review OR (a.review IS NULL AND :review = 'none'))",
    "start": "coalesce(a.ended_at, a.last_anomaly_at) >= :start",
    "end": "a.started_at <= :end",
    "began": f"a.started_at >= :began AND a.started_at < :began + {DAY_S}",
    # an alert of a whole watch is visible to keys that see all its series
    "visible_prefix": "CASE WHEN a.series_id IS NULL THEN EXISTS (SELECT 1 FROM watches w WHERE w.name = a.watch AND "
    "starts_with(w.prefix, :visible_prefix)) ELSE starts_with(a.series_id, :visible_prefix) END",
    "older_than": "(a.created_at, a.id) < (:moment, CAST(:id AS uuid))",
    "ids": "a.id = ANY (CAST(:ids AS uuid[]))",
    "changed_since": "a.changed_at > to_timestamp(:changed_since)",
    "changed_after": "a.changed_at > statement_timestamp() - make_interval(secs => :changed_after)",
}


class Handling(StrEnum):
    """Who knows of an alert: nobody, somebody who acknowledged it, or nobody on purpose."""

    UNACKNOWLEDGED = "unacknowledged"
    ACKNOWLEDGED = "acknowledged"
    QUIET = "quiet"


class Reviewed(StrEnum):
    """What people found alerts to be: the values of `Review`, and `none` without a review."""

    NONE = "none"
    INCIDENT = Review.INCIDENT.value
    FALSE_ALARM = Review.FALSE_ALARM.value
    EXPECTED = Review.EXPECTED.value


@dataclass(frozen=True, slots=True)
class AlertFilter:
    """Which alerts a page or a feed has; None matches every alert."""

    series_id: str | None = None
    prefix: str | None = None
    watch: str | None = None
    status: AlertStatus | None = None
    kind: Kind | None = None
    start: int | None = None
    end: int | None = None
    visible_prefix: str | None = None
    handling: Handling | None = None
    review: Reviewed | None = None
    began: int | None = None  # the first second of the day in UTC on which it began


def where(parameters: Mapping[str, Any]) -> str:
    """Return the condition on alerts `a` that the fields of a filter state; None states nothing."""
    stated = [_CONDITIONS[name] for name, value in parameters.items() if value is not None and name in _CONDITIONS]
    return " AND ".join(stated) or "true"
