"""Deliveries: messages that wait for receivers, in order. One process at a time sends to a receiver.

A process leases the receiver, not the message, so that messages never overtake each other and a receiver that fails
gets one attempt at a time.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, text

from shared.domain.watching.receivers import Receiver
from shared.errors import Code, NotFoundError
from shared.store.engine import Session
from shared.store.receivers import receiver_of

LEASE_S = 60.0  # longer than an attempt takes
GIVE_UP_AFTER_S = 2 * 86_400.0

_ADD = text("""
INSERT INTO deliveries (receiver, message, type, watch, document, noted_at, queued_at)
SELECT r.name, :message, :type, :watch, CAST(:document AS jsonb), :noted_at, :now
  FROM receivers r WHERE r.name = :receiver
ON CONFLICT DO NOTHING RETURNING id
""")
# Receivers of the kind alertmanager are due by time alone: they get the state, and only tests are messages.
_CLAIM = text("""
UPDATE receivers r
   SET lease = r.lease + 1, leased_until = :now + make_interval(secs => :lease_s),
       due_at = :now + make_interval(secs => :lease_s)
 WHERE r.name = (
   SELECT c.name FROM receivers c
    WHERE c.disabled IS NULL AND c.due_at <= :now AND coalesce(c.leased_until, '-infinity') <= :now
      AND (c.kind = 'alertmanager' OR EXISTS (
           SELECT 1 FROM deliveries d WHERE d.receiver = c.name AND d.status = 'waiting'))
    ORDER BY c.due_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED)
RETURNING r.name, r.kind, r.url, r.url_env, r.types, r.min_score, r.lease, r.failures, r.secret,
          CASE WHEN r.previous_until > :now THEN r.previous_secret END AS previous_secret
""")
_EXTEND = text("""
UPDATE receivers
   SET leased_until = :now + make_interval(secs => :lease_s),
       due_at = CASE WHEN due_at = leased_until THEN :now + make_interval(secs => :lease_s) ELSE due_at END
 WHERE name = :name AND lease = :lease AND disabled IS NULL RETURNING 1
""")
_NEXT = text("""
UPDATE deliveries d SET attempts = d.attempts + 1, attempted_at = :now
 WHERE d.id = (SELECT w.id FROM deliveries w WHERE w.receiver = :name AND w.status = 'waiting' ORDER BY w.id LIMIT 1)
   AND d.status = 'waiting'
RETURNING d.id, d.message, d.type, d.watch, d.document, d.attempts, d.noted_at
""")
_DELIVERED = text("""
UPDATE deliveries SET status = 'delivered', ended_at = :now, error = NULL WHERE id = :id AND status = 'waiting'
""")
_FAILED = text("UPDATE deliveries SET error = :error WHERE id = :id AND status = 'waiting'")
# A test or another change may have made the receiver due meanwhile.
_RELEASE = text("""
UPDATE receivers
   SET due_at = CASE WHEN due_at = leased_until THEN :due_at ELSE least(due_at, :due_at) END, leased_until = NULL,
       failures = CASE WHEN CAST(:error AS text) IS NULL THEN 0 ELSE failures + 1 END,
       error = coalesce(:error, error), disabled = coalesce(disabled, :disabled),
       failed_at = CASE WHEN CAST(:error AS text) IS NULL THEN failed_at ELSE :now END,
       succeeded_at = CASE WHEN :succeeded THEN :now ELSE succeeded_at END
 WHERE name = :name AND lease = :lease
""")
_WAKE = text("""
UPDATE receivers SET due_at = least(due_at, :now) WHERE name = ANY (CAST(:names AS text[])) AND (failures = 0 OR :retry)
""")
_GIVE_UP = text("""
UPDATE deliveries SET status = 'given_up', ended_at = :now
 WHERE status = 'waiting' AND queued_at < :now - make_interval(secs => :after_s) RETURNING receiver
""")
_COLUMNS = """
SELECT id, receiver, message, type, watch, status, attempts, error, queued_at, attempted_at, ended_at FROM deliveries
"""
_LIST = text(f"""
{_COLUMNS} WHERE receiver = :receiver AND (CAST(:before AS bigint) IS NULL OR id < :before)
 ORDER BY id DESC LIMIT :limit
""")
_ONE = text(f"{_COLUMNS} WHERE id = :id")
_FIGURES = text("""
SELECT r.name, r.failures, r.disabled IS NOT NULL AS is_disabled, count(d.id) AS waiting,
       CAST(coalesce(extract(epoch FROM clock_timestamp() - min(d.queued_at)), 0) AS float8) AS oldest_s
  FROM receivers r LEFT JOIN deliveries d ON d.receiver = r.name AND d.status = 'waiting' GROUP BY r.name
""")
_REPLAY = text("""
UPDATE deliveries SET status = 'waiting', ended_at = NULL, attempts = 0, error = NULL, queued_at = clock_timestamp()
 WHERE id = :id AND status <> 'waiting'
""")
_DROP = text("DELETE FROM deliveries WHERE status = 'waiting'")
_PRUNE = text("""
DELETE FROM deliveries WHERE id = ANY (ARRAY(
  SELECT id FROM deliveries WHERE ended_at < statement_timestamp() - interval '1 day' * :days
   ORDER BY ended_at LIMIT :limit FOR UPDATE SKIP LOCKED))
""")


@dataclass(frozen=True, slots=True)
class Lease:
    """A receiver that this process sends to."""

    receiver: Receiver
    lease: int
    failures: int
    secrets: tuple[str, ...]  # that sign a message, the newest first


@dataclass(frozen=True, slots=True)
class Message:
    """A message to send."""

    delivery_id: int
    message_id: str
    type: str
    watch: str | None
    document: dict[str, Any]
    attempts: int  # with this one
    noted_at: datetime


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message to a receiver, as people see it."""

    id: int
    receiver: str
    message_id: str
    type: str
    watch: str | None
    status: str
    attempts: int
    error: str | None
    queued_at: datetime
    attempted_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of one receiver."""

    receiver: str
    failures: int  # failed attempts in a row
    is_disabled: bool
    waiting: int  # messages
    oldest_s: float  # since when the oldest of them waits


def figures(session: Session) -> list[Figures]:
    """Return the figures of all receivers."""
    return [Figures(*row) for row in session.execute(_FIGURES)]


def add(
    session: Session,
    receiver: str,
    message_id: str,
    kind: str,
    document: dict[str, Any],
    *,
    watch: str | None,
    noted_at: datetime,
    now: datetime,
) -> int | None:
    """Queue a message; return the id of its delivery, or None if it is queued already or the receiver is gone."""
    row = {"receiver": receiver, "message": message_id, "type": kind, "watch": watch, "document": json.dumps(document)}
    return session.execute(_ADD, row | {"noted_at": noted_at, "now": now}).scalar()


def claim(session: Session, now: datetime) -> Lease | None:
    """Lease a receiver that is due; None if there is none."""
    row = session.execute(_CLAIM, {"now": now, "lease_s": LEASE_S}).first()
    if row is None:
        return None
    secrets = tuple(secret for secret in (row.secret, row.previous_secret) if secret)
    return Lease(receiver_of(row), row.lease, row.failures, secrets)


def extend(session: Session, lease: Lease, now: datetime) -> bool:
    """Extend a lease; return False if the receiver is disabled, deleted or another process's."""
    row = {"name": lease.receiver.name, "lease": lease.lease, "now": now, "lease_s": LEASE_S}
    return session.execute(_EXTEND, row).first() is not None


def next_message(session: Session, lease: Lease, now: datetime) -> Message | None:
    """Return the oldest message that waits for a leased receiver, and count the attempt."""
    row = session.execute(_NEXT, {"name": lease.receiver.name, "now": now}).first()
    return None if row is None else Message(*row)


def delivered(session: Session, delivery_id: int, now: datetime) -> None:
    """Record that a receiver has a message."""
    session.execute(_DELIVERED, {"id": delivery_id, "now": now})


def failed(session: Session, delivery_id: int, error: str) -> None:
    """Record why an attempt failed."""
    session.execute(_FAILED, {"id": delivery_id, "error": error})


def release(
    session: Session,
    lease: Lease,
    now: datetime,
    *,
    wait_s: float,
    error: str | None = None,
    succeeded: bool = False,
    disabled: str | None = None,
) -> None:
    """End a lease; the receiver is due again after `wait_s`. disabled: why nothing more is sent to it."""
    row = {"name": lease.receiver.name, "lease": lease.lease, "now": now, "due_at": now + timedelta(seconds=wait_s)}
    session.execute(_RELEASE, row | {"error": error, "succeeded": succeeded, "disabled": disabled})


def wake(session: Session, receivers: Sequence[str], now: datetime, *, retry: bool = False) -> None:
    """Make receivers due now. retry: also those that wait because an attempt failed."""
    session.execute(_WAKE, {"names": list(receivers), "now": now, "retry": retry})


def give_up(session: Session, now: datetime) -> list[str]:
    """Give up messages that have waited too long; return the receiver of each."""
    return list(session.execute(_GIVE_UP, {"now": now, "after_s": GIVE_UP_AFTER_S}).scalars())


def newest(session: Session, receiver: str, limit: int, before: int | None = None) -> list[Delivery]:
    """Return the deliveries to a receiver, newest first, those with an id below `before`."""
    rows = session.execute(_LIST, {"receiver": receiver, "limit": limit, "before": before})
    return [_delivery(row) for row in rows]


def find(session: Session, delivery_id: int) -> Delivery:
    """Return a delivery; raise `NotFoundError` if it does not exist."""
    row = session.execute(_ONE, {"id": delivery_id}).first()
    if row is None:
        raise not_found()
    return _delivery(row)


def not_found() -> NotFoundError:
    """Create the error for a delivery that does not exist."""
    sentence = "There is no delivery with this id. Deliveries are deleted with the alerts, after KEEP_ALERTS_DAYS."
    return NotFoundError(Code.DELIVERY_NOT_FOUND, sentence)


def replay(session: Session, delivery_id: int) -> None:
    """Queue a message again, with the same id. One that waits already stays as it is."""
    session.execute(_REPLAY, {"id": delivery_id})


def drop_waiting(session: Session) -> int:
    """Delete the messages that wait, after a restore; return their number."""
    return session.execute(_DROP).rowcount


def prune(session: Session, days: float, limit: int) -> int:
    """Delete deliveries that ended more than `days` ago; return their number."""
    return session.execute(_PRUNE, {"days": days, "limit": limit}).rowcount


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(*tuple(row))
