"""Notices: changes of alerts that are to be reported, and the budgets of the watches. Only outbound changes them.

Locked in the order budgets, notices. The rows of alerts are only read, because an intake locks several of them.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from sqlalchemy import Row, text

from shared.domain.watching.alerts import Notice
from shared.domain.watching.folding import Change, Decision, WrittenNotice
from shared.domain.watching.notify import Notify
from shared.domain.watching.watches import Watch
from shared.store.engine import Session
from shared.store.streams import alert_of

OVERDUE_S = 60.0

_WATCHES = text("""
SELECT a.watch, max(n.id) AS newest FROM notices n JOIN alerts a ON a.id = n.alert
 WHERE n.handled_at IS NULL GROUP BY a.watch
""")
_CHANGES = text("""
WITH chosen AS (
  SELECT n.alert, min(n.id) AS oldest FROM notices n JOIN alerts a ON a.id = n.alert
   WHERE n.handled_at IS NULL AND a.watch = :watch GROUP BY n.alert ORDER BY oldest LIMIT :limit
)
SELECT n.id, n.step, n.type, n.quiet, n.created_at, n.alert, to_jsonb(a) AS columns, a.series_no, a.series_id,
       ARRAY(SELECT DISTINCT r FROM notices o, unnest(o.receivers) AS r WHERE o.alert = a.id) AS informed
  FROM chosen c JOIN alerts a ON a.id = c.alert JOIN notices n ON n.alert = c.alert AND n.handled_at IS NULL
 ORDER BY c.oldest, n.step
""")
_DECIDE = text("""
UPDATE notices n SET handled_at = :now, quiet = x.quiet, receivers = x.receivers
  FROM jsonb_to_recordset(CAST(:decisions AS jsonb)) AS x (notice_id bigint, quiet text, receivers text[])
 WHERE n.id = x.notice_id AND n.handled_at IS NULL
""")
_FORGET = text("UPDATE notices SET handled_at = clock_timestamp() WHERE handled_at IS NULL")
# What ended may wait until the budget of its watch is renewed.
_OLDEST = text("""
SELECT a.watch, min(n.created_at) AS noted_at, b.last_at
  FROM notices n JOIN alerts a ON a.id = n.alert LEFT JOIN budgets b ON b.watch = a.watch
 WHERE n.handled_at IS NULL AND n.type <> 'alert.closed' GROUP BY a.watch, b.last_at
""")
_BUDGET = text("""
INSERT INTO budgets (watch, began_at, messages, unreported) VALUES (:watch, :now, 0, 0) ON CONFLICT DO NOTHING
""")
_LOCK = text("SELECT began_at, messages, last_at, unreported FROM budgets WHERE watch = :watch FOR UPDATE SKIP LOCKED")
_SPEND = text("""
UPDATE budgets SET began_at = :began_at, messages = :messages, last_at = :last_at, unreported = :unreported
 WHERE watch = :watch
""")


@dataclass(frozen=True, slots=True)
class Budget:
    """The messages of a watch in the current period."""

    began_at: datetime
    messages: int
    last_at: datetime | None
    unreported: int  # alerts over budget that no message has mentioned

    def at(self, now: datetime, notify: Notify) -> "Budget":
        """Return the budget at a time, which may be in a new period."""
        if now - self.began_at < timedelta(seconds=notify.per_s):
            return self
        return Budget(now, 0, self.last_at, self.unreported)

    def waits(self, now: datetime, notify: Notify) -> bool:
        """Whether changes are still collected since the last message."""
        return self.last_at is not None and now - self.last_at < timedelta(seconds=notify.group_wait_s)


def watches_waiting(session: Session) -> dict[str, int]:
    """Return the watches with unhandled notices, and the id of the newest one of each."""
    return {row.watch: row.newest for row in session.execute(_WATCHES)}


def lock_budget(session: Session, watch: str, now: datetime) -> Budget | None:
    """Lock and return the budget of a watch; None if another process has it."""
    session.execute(_BUDGET, {"watch": watch, "now": now})
    row = session.execute(_LOCK, {"watch": watch}).first()
    return None if row is None else Budget(*row)


def changes(session: Session, watch: str, limit: int) -> tuple[list[Change], datetime | None]:
    """Return the unhandled changes of a watch, of at most `limit` alerts, and when the oldest was stored."""
    rows = session.execute(_CHANGES, {"watch": watch, "limit": limit}).all()
    listed = [_change(list(group)) for _, group in groupby(rows, key=lambda row: row.alert)]
    return listed, min((row.created_at for row in rows), default=None)


def decide(session: Session, decisions: Sequence[Decision], now: datetime) -> None:
    """Store what became of notices."""
    if decisions:
        listed = json.dumps([asdict(decision) for decision in decisions])
        session.execute(_DECIDE, {"decisions": listed, "now": now})


def spend(session: Session, watch: str, budget: Budget) -> None:
    """Store the budget of a watch."""
    session.execute(_SPEND, {"watch": watch, **asdict(budget)})


def forget(session: Session) -> None:
    """Report nothing that was not reported yet, after a restore."""
    session.execute(_FORGET)


def overdue(session: Session, watches: Sequence[Watch], now: datetime) -> list[str]:
    """Return the watches whose changes should have been reported for a minute: no outbound process runs."""
    waits = {watch.name: watch.notify.group_wait_s for watch in watches}
    late = []
    for row in session.execute(_OLDEST):
        wait = timedelta(seconds=waits.get(row.watch, Notify().group_wait_s))
        due_at = max(row.noted_at, row.noted_at if row.last_at is None else row.last_at + wait)
        if now - due_at > timedelta(seconds=OVERDUE_S):
            late.append(str(row.watch))
    return sorted(late)


def _change(rows: Sequence[Row[Any]]) -> Change:
    first = rows[0]
    alert = alert_of(first.columns)
    assert alert is not None  # noqa: S101 - the row has one
    return Change(
        alert,
        first.series_no,
        first.series_id,
        tuple(WrittenNotice(row.id, row.step, Notice(row.type), row.quiet) for row in rows),
        frozenset(first.informed),
    )
