"""Removal of a safeguard from the product. The verification must then fail."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text

from shared.domain.jobs import Claim
from shared.domain.versions import NewVersion
from shared.domain.watching.alerts import AlertStatus
from shared.store import attempts, deliveries, versions
from shared.store.deliveries import Lease, Message
from shared.store.engine import Session
from shared.store.reported import ReportedAlert
from worker.outbound import alertmanager

_FENCED = " AND attempt = :attempt AND (status = 'running') IS TRUE"


@dataclass(frozen=True)
class Sabotage:
    """Changes to each process and to the database."""

    patch: Callable[[], None] = lambda: None
    statements: tuple[str, ...] = ()
    reconciler: bool = True

    def apply(self, session: Session) -> None:
        """Remove the safeguards from the database."""
        for statement in self.statements:
            session.execute(text(statement))


def unfence() -> None:
    """Let every attempt publish, even after it lost its job, and keep it from noticing the loss."""
    _ignore_lost_leases()
    _delay_later_attempts()
    statement = versions._PUBLISH.text  # noqa: SLF001
    assert statement.count(_FENCED) == 2
    statement = statement.replace(_FENCED, "")
    # Store the publisher's attempt, not the row's. After another attempt published, only its version has the data.
    numbered, select = statement.split("SELECT series_id, last_version", 1)
    select = select.replace(" attempt,", " :attempt,", 1)
    published_key = "(SELECT v.data_key FROM versions v WHERE v.job_id = fenced.id LIMIT 1)"
    select = select.replace(" data_key,", f" coalesce(data_key, {published_key}),", 1)
    versions._PUBLISH = text(f"{numbered}SELECT series_id, last_version{select}")  # noqa: SLF001


def _ignore_lost_leases() -> None:
    heartbeat = attempts.heartbeat

    def heartbeat_always_held(*arguments: Any) -> bool:
        heartbeat(*arguments)
        return True

    attempts.heartbeat = heartbeat_always_held  # type: ignore[assignment]


def _delay_later_attempts() -> None:
    """Delay later attempts, so that an attempt that lost its job publishes first even on a busy machine."""
    publish = versions.publish

    def publish_late(session: Session, claimed: Claim, new: NewVersion) -> int | None:
        if claimed.attempt > 1:
            time.sleep(2)
        return publish(session, claimed, new)

    versions.publish = publish_late


def deliver_early() -> None:
    """Record a message as delivered before it is sent."""
    next_message = deliveries.next_message

    def next_delivered_message(session: Session, lease: Lease, now: datetime) -> Message | None:
        message = next_message(session, lease, now)
        if message is not None:
            deliveries.delivered(session, message.delivery_id, now)
        return message

    deliveries.next_message = next_delivered_message


def end_open_alerts() -> None:
    """Let the state of an open alert say that it is over, and that of a closed one that it is open."""
    alert_of = alertmanager._alert  # noqa: SLF001

    def inverted(entry: ReportedAlert, link: str, now: datetime) -> dict[str, Any]:
        is_closed = entry.alert.status == AlertStatus.CLOSED
        ends = now + timedelta(seconds=alertmanager.LASTS_S if is_closed else -1)
        return alert_of(entry, link, now) | {"endsAt": ends.isoformat()}

    alertmanager._alert = inverted  # noqa: SLF001


NO_GUARD = "ALTER TABLE fit_jobs DISABLE TRIGGER fit_jobs_guard_update"
NOT_UNIQUE = "ALTER TABLE versions DROP CONSTRAINT versions_job_id_key"

BY_NAME = {
    "fencing": Sabotage(unfence, (NO_GUARD,)),
    "unique": Sabotage(unfence, (NO_GUARD, NOT_UNIQUE)),  # without the last safeguard against a second version too
    "reconciler": Sabotage(reconciler=False),
    "delivered": Sabotage(deliver_early),
    "ended": Sabotage(end_open_alerts),
}
