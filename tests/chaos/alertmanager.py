"""A receiver of the kind `alertmanager`: it keeps alerts as an Alertmanager does, and may not flap."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from threading import Event, Lock
from typing import Any

from sqlalchemy import text

from shared.store.engine import Sessions
from tests.chaos.ledger import Ledger
from tests.chaos.verdicts import Violation
from tests.worker.outbound.receiving import Received
from worker.outbound.alertmanager import LASTS_S, PATH

ALERTMANAGER = "alertmanager"
DOWN_S, OF_S = 8.0, 25.0  # of each 25 s, beginning with the first request
LATE_S = 1.0  # a request with older times than an earlier one: its process was stopped before it sent it

_ALERTS = text("""
SELECT CAST(id AS text) AS id, kind, watch, coalesce(series_id, '') AS series_id, status <> 'closed' AS is_open
  FROM alerts WHERE quiet IS NULL ORDER BY created_at
""")

Labels = tuple[str, str, str]  # kind, watch and id of the series


@dataclass(frozen=True, slots=True)
class StoredAlert:
    """An alert that receivers should know of."""

    id: str
    kind: str
    watch: str
    series_id: str
    is_open: bool

    @property
    def labels(self) -> Labels:
        return self.kind, self.watch, self.series_id


@dataclass(frozen=True, slots=True)
class Kept:
    """What an Alertmanager knows of one set of labels. It is active until `ends_at`, unless that is sent again."""

    alert_id: str
    ends_at: float  # seconds since 1970


@dataclass
class Alertmanager:
    """An Alertmanager that is down for a while again and again. Once `settling` is set, it answers all requests."""

    ledger: Ledger
    settling: Event
    kept: dict[Labels, Kept] = field(default_factory=dict)
    flaps: list[str] = field(default_factory=list)
    accepted: int = 0
    dropped: int = 0
    late: int = 0
    looked_at: float = 0.0  # the last request
    _began: float | None = None
    _written_at: float = 0.0  # newest time at which a state was written
    _resolved: set[str] = field(default_factory=set)  # ids of alerts that were once active and then resolved
    _lock: Lock = field(default_factory=Lock)

    def respond(self, request: Received) -> int:
        """Keep the alerts of a request and return 200; close the connection without an answer while down."""
        with self._lock:
            now = time.time()
            self._began = self._began or now
            if (now - self._began) % OF_S < DOWN_S and not self.settling.is_set():
                self.dropped += 1
                raise ConnectionAbortedError
            if not request.path.endswith(PATH):
                self.ledger.complain(f"a state was sent to {request.path}")
                return 404
            self.keep(request.json, now)
            return 200

    def keep(self, alerts: Sequence[dict[str, Any]], now: float) -> None:
        """Keep the alerts of a request that arrives `now`, and note which flap."""
        self.accepted += 1
        self.looked_at = now
        reported = [alert for alert in alerts if alert["labels"]["alertname"] != "TsadTest"]
        ends = [datetime.fromisoformat(alert["endsAt"]).timestamp() for alert in reported]
        written_at = max(ends, default=0.0) - LASTS_S  # of requests with open alerts
        is_late = written_at > now - LASTS_S and written_at < self._written_at - LATE_S
        self.late += is_late
        self._written_at = max(self._written_at, written_at)
        for alert, ends_at in zip(reported, ends, strict=True):
            labels, alert_id = alert["labels"], alert["annotations"]["alert_id"]
            key = (labels["kind"], labels["watch"], labels.get("series_id", ""))
            before = self.kept.get(key)
            if before and before.alert_id == alert_id and before.ends_at <= now:
                self._resolved.add(alert_id)
            if ends_at > now and alert_id in self._resolved and not is_late:
                self.flaps.append(f"The alert {alert_id} of {key} was active, then over, then active again.")
            self.kept[key] = Kept(alert_id, ends_at)

    @property
    def summary(self) -> str:
        """A line of the report."""
        active = sum(kept.ends_at > self.looked_at for kept in self.kept.values())
        return (
            f"states to an Alertmanager: accepted {self.accepted}, dropped while it was down {self.dropped}, "
            f"late {self.late}; series {len(self.kept)}, of these active {active}"
        )


def gather(sessions: Sessions) -> list[StoredAlert]:
    """Read the alerts that receivers should know of, the oldest first."""
    with sessions.begin() as session:
        return [StoredAlert(**row._asdict()) for row in session.execute(_ALERTS)]


def violations(receiver: Alertmanager, stored: Sequence[StoredAlert]) -> Iterator[Violation]:
    """Yield what an Alertmanager shows that is not so, what it does not show, and what flapped.

    An open alert replaces a closed one with the same labels, and a newer one an older one.
    """
    for sentence in receiver.flaps:
        yield Violation("flapping", sentence)
    known = {alert.id for alert in stored}
    for labels, kept in receiver.kept.items():
        if kept.alert_id not in known:
            yield Violation(
                "invented", f"The Alertmanager has the alert {kept.alert_id} of {labels}, which has no row."
            )
    newest = {alert.labels: alert for alert in sorted(stored, key=lambda alert: alert.is_open)}
    for labels, alert in newest.items():
        shown = receiver.kept.get(labels)
        is_active = shown is not None and shown.ends_at > receiver.looked_at
        if shown is None:
            yield Violation("state", f"The Alertmanager was never told of the alert {alert.id} of {labels}.")
        elif shown.alert_id != alert.id or is_active != alert.is_open:
            states = ("over", "active")
            yield Violation(
                "state",
                f"The Alertmanager shows the alert {shown.alert_id} of {labels} as {states[is_active]}, "
                f"but the newest one, {alert.id}, is {states[alert.is_open]}.",
            )
