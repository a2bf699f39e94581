"""Receivers: read, put, rotate, disable and delete them. Secrets leave this module only to sign messages."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text

from shared.domain.watching.alerts import Notice
from shared.domain.watching.receivers import Receiver, ReceiverKind, fingerprint, shown_url
from shared.errors import Code, NotFoundError, TsadError
from shared.store.engine import Session

PREVIOUS_SECRET_DAYS = 1  # the previous secret signs messages, too, after a rotation

_COLUMNS = """
SELECT r.name, r.kind, r.url, r.url_env, r.types, r.min_score, r.disabled, r.failures, r.error, r.failed_at,
       r.succeeded_at, r.created_at,
       (SELECT count(*) FROM deliveries d WHERE d.receiver = r.name AND d.status = 'waiting') AS waiting
  FROM receivers r
"""
_ALL = text(f"{_COLUMNS} ORDER BY r.name")
_ONE = text(f"{_COLUMNS} WHERE r.name = :name")
_PUT = text("""
INSERT INTO receivers AS r (name, kind, url, url_env, types, min_score, secret)
VALUES (:name, :kind, :url, :url_env, CAST(:types AS text[]), :min_score, :secret)
ON CONFLICT (name) DO UPDATE
   SET kind = excluded.kind, url = excluded.url, url_env = excluded.url_env, types = excluded.types,
       min_score = excluded.min_score,
       due_at = CASE WHEN (r.kind, r.url, r.url_env) IS DISTINCT FROM (excluded.kind, excluded.url, excluded.url_env)
                     THEN '-infinity' ELSE r.due_at END,
       secret = CASE WHEN excluded.kind <> 'webhook' THEN NULL ELSE coalesce(r.secret, excluded.secret) END,
       previous_secret = CASE WHEN excluded.kind = 'webhook' THEN r.previous_secret END,
       previous_until = CASE WHEN excluded.kind = 'webhook' THEN r.previous_until END
RETURNING secret = :secret AS is_new_secret
""")
_GIVE_UP_MESSAGES = text("""
UPDATE deliveries SET status = 'given_up', ended_at = clock_timestamp(), error = 'The receiver became an Alertmanager.'
 WHERE receiver = :name AND status = 'waiting' AND type <> 'test'
""")
_ROTATE = text("""
UPDATE receivers SET previous_secret = secret, previous_until = clock_timestamp() + interval '1 day' * :days,
       secret = :secret
 WHERE name = :name AND kind = 'webhook' RETURNING 1
""")
_RESUME = text("""
UPDATE receivers SET disabled = NULL, failures = 0, due_at = '-infinity' WHERE name = :name RETURNING 1
""")
_DISABLE_ALL = text("UPDATE receivers SET disabled = :reason WHERE disabled IS NULL")
_DELETE = text("DELETE FROM receivers WHERE name = :name")
_LOCK = text("SELECT 1 FROM receivers WHERE name = :name FOR UPDATE")
_WATCHES = text("SELECT name FROM watches WHERE document -> 'notify' -> 'receivers' ? :name ORDER BY name")
# Locked, so that a watch never names a receiver that is being deleted.
_EXISTING = text("SELECT name FROM receivers WHERE name = ANY (CAST(:names AS text[])) ORDER BY name FOR KEY SHARE")


@dataclass(frozen=True, slots=True)
class StoredReceiver:
    """A receiver as people see it, without its secrets."""

    receiver: Receiver
    url: str | None  # without its path
    fingerprint: str | None  # of the URL
    disabled: str | None
    failures: int
    error: str | None
    failed_at: datetime | None
    succeeded_at: datetime | None
    waiting: int  # messages
    created_at: datetime


def read(session: Session) -> list[StoredReceiver]:
    """Return all receivers, ordered by name."""
    return [_stored(row) for row in session.execute(_ALL)]


def find(session: Session, name: str) -> StoredReceiver:
    """Return a receiver; raise `NotFoundError` if it does not exist."""
    row = session.execute(_ONE, {"name": name}).first()
    if row is None:
        raise not_found()
    return _stored(row)


def not_found() -> NotFoundError:
    """Create the error for a receiver that does not exist."""
    return NotFoundError(Code.RECEIVER_NOT_FOUND, "There is no receiver with this name. GET /receivers lists all.")


def put(session: Session, receiver: Receiver, secret: str | None) -> bool:
    """Create or change a receiver; return whether it got this secret. An existing secret stays.

    A receiver with another address is tried at once; one with the same address still waits for its next attempt.
    An Alertmanager gets no messages, so those that wait for a receiver that becomes one are given up.
    """
    if receiver.kind == ReceiverKind.ALERTMANAGER:
        session.execute(_GIVE_UP_MESSAGES, {"name": receiver.name})
    row = receiver.document() | {"name": receiver.name, "secret": secret}
    return bool(session.execute(_PUT, row).scalar_one())


def rotate(session: Session, name: str, secret: str) -> bool:
    """Replace the secret of a webhook; return False if the receiver has none."""
    row = {"name": name, "secret": secret, "days": PREVIOUS_SECRET_DAYS}
    return session.execute(_ROTATE, row).first() is not None


def resume(session: Session, name: str) -> None:
    """Enable a receiver, and send what waits for it."""
    session.execute(_RESUME, {"name": name})


def disable_all(session: Session, reason: str) -> None:
    """Disable all receivers, after a restore."""
    session.execute(_DISABLE_ALL, {"reason": reason})


def delete(session: Session, name: str) -> None:
    """Delete a receiver with its deliveries; raise `TsadError` if a watch names it."""
    session.execute(_LOCK, {"name": name})
    names = list(session.execute(_WATCHES, {"name": name}).scalars())
    if names:
        listed = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        raise TsadError(Code.RECEIVER_IN_USE, f"Watches notify this receiver: {listed}. Change them first.")
    session.execute(_DELETE, {"name": name})


def unknown(session: Session, names: Collection[str]) -> list[str]:
    """Return the names that no receiver has, and keep the others from being deleted until the transaction ends."""
    existing = set(session.execute(_EXISTING, {"names": sorted(names)}).scalars())
    return sorted(set(names) - existing)


def receiver_of(row: Row[Any]) -> Receiver:
    """Return the receiver of a row."""
    types = tuple(notice for notice in Notice if notice in row.types)
    return Receiver(row.name, ReceiverKind(row.kind), row.url, row.url_env, types, row.min_score)


def _stored(row: Row[Any]) -> StoredReceiver:
    return StoredReceiver(
        receiver=receiver_of(row),
        url=None if row.url is None else shown_url(row.url),
        fingerprint=None if row.url is None else fingerprint(row.url),
        disabled=row.disabled,
        failures=row.failures,
        error=row.error,
        failed_at=row.failed_at,
        succeeded_at=row.succeeded_at,
        waiting=row.waiting,
        created_at=row.created_at,
    )
