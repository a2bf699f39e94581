"""Alerts: close, list, follow, acknowledge and review them. The row of a stream is locked before its alerts."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Row, text

from shared.domain.watching.alerts import Alert, Noted, Review
from shared.domain.watching.rules import closed
from shared.domain.watching.watches import Watch
from shared.store.alert_filters import AlertFilter, where
from shared.store.engine import Session
from shared.store.streams import alert_of

# --- close, in the transaction that caused it -------------------------------------------------------------------------

_UNCLOSED_OF_STREAMS = text("""
SELECT a.series_no, to_jsonb(a) AS alert, t.last_timestamp FROM alerts a JOIN streams t ON t.no = a.series_no
 WHERE a.series_no = ANY (CAST(:nos AS integer[])) AND a.status <> 'closed'
   AND (CAST(:watch AS text) IS NULL OR a.watch = :watch)
 ORDER BY a.series_no, a.id FOR NO KEY UPDATE OF a
""")
# Streams from which no point came since an alert ended or had its last anomaly, and alerts of watches that are gone.
# SKIP LOCKED: a locked stream is being sent points, which close the alert themselves.
_DUE = text("""
SELECT a.series_no, to_jsonb(a) AS alert, t.last_timestamp
  FROM alerts a JOIN streams t ON t.no = a.series_no
  LEFT JOIN unnest(CAST(:names AS text[]), CAST(:merges AS bigint[]), CAST(:afters AS bigint[]))
    AS w (name, merge_within_s, after_s) ON w.name = a.watch
 WHERE a.status <> 'closed' AND (w.name IS NULL OR (a.kind = 'deviation' AND t.arrived_at
       < statement_timestamp() - make_interval(secs => CASE a.status WHEN 'ended' THEN w.merge_within_s
                                                       ELSE w.after_s END)))
 ORDER BY a.series_no, a.id LIMIT :limit FOR NO KEY UPDATE OF t, a SKIP LOCKED
""")
_WRITE = text("""
WITH written AS (
  UPDATE alerts a
     SET status = x.status, ended_at = x.ended_at, step = x.step, revision = a.revision + 1,
         changed_at = clock_timestamp()
    FROM jsonb_to_recordset(CAST(:alerts AS jsonb)) AS x (id uuid, status text, ended_at bigint, step integer)
   WHERE a.id = x.id
)
INSERT INTO notices (alert, step, type, quiet)
SELECT x.alert, x.step, x.type, x.quiet
  FROM jsonb_to_recordset(CAST(:notices AS jsonb)) AS x (alert uuid, step integer, type text, quiet text)
""")
# The next alert of the stream begins with none of the points that the closed one had.
_RELEASE_STREAMS = text("""
UPDATE streams t
   SET revision = t.revision + 1,
       recent = CASE WHEN t.alert = ANY (CAST(:ids AS uuid[])) THEN '' ELSE t.recent END,
       normal = CASE WHEN t.alert = ANY (CAST(:ids AS uuid[])) THEN 0 ELSE t.normal END,
       pending = CASE WHEN t.alert = ANY (CAST(:ids AS uuid[])) THEN NULL ELSE t.pending END,
       alert = CASE WHEN t.alert = ANY (CAST(:ids AS uuid[])) THEN NULL ELSE t.alert END,
       silence = CASE WHEN t.silence = ANY (CAST(:ids AS uuid[])) THEN NULL ELSE t.silence END
 WHERE t.no = ANY (CAST(:nos AS integer[]))
""")
_STREAMS_OF_WATCH = text("""
SELECT no FROM streams
 WHERE no IN (SELECT series_no FROM alerts WHERE watch = :watch AND status <> 'closed')
    OR silence IN (SELECT id FROM alerts WHERE watch = :watch AND status <> 'closed' AND series_no IS NULL)
 ORDER BY no FOR NO KEY UPDATE
""")
_WHOLE_WATCH = text("""
SELECT to_jsonb(a) AS alert FROM alerts a
 WHERE a.watch = :watch AND a.status <> 'closed' AND a.series_no IS NULL FOR NO KEY UPDATE
""")

# --- people -----------------------------------------------------------------------------------------------------------

# Outbound decides later than the rules who is notified, and stores it with the notices.
_ALERTS = """
SELECT to_jsonb(a) AS alert, a.*, w.receivers, coalesce(a.quiet, w.why) AS shown_quiet FROM {} AS a, LATERAL (
  SELECT ARRAY(SELECT DISTINCT r FROM notices n, unnest(n.receivers) AS r WHERE n.alert = a.id ORDER BY r) AS receivers,
         (SELECT max(n.quiet) FROM notices n WHERE n.alert = a.id) AS why
) AS w
"""
ALERTS = _ALERTS.format("alerts")
_NEWEST_FIRST = " ORDER BY a.created_at DESC, a.id DESC"
_ACKNOWLEDGE = text("""
UPDATE alerts SET acknowledged_at = clock_timestamp(), acknowledged_by = :by, revision = revision + 1,
       changed_at = clock_timestamp()
 WHERE id = CAST(:id AS uuid) AND acknowledged_at IS NULL
""")
# The same review again changes nothing.
_REVIEW = text("""
UPDATE alerts SET review = :review, note = :note, revision = revision + 1, changed_at = clock_timestamp(),
       reviewed_at = CASE WHEN CAST(:review AS text) IS NOT NULL OR :note <> '' THEN clock_timestamp() END,
       reviewed_by = CASE WHEN CAST(:review AS text) IS NOT NULL OR :note <> '' THEN :by END
 WHERE id = CAST(:id AS uuid) AND (review, note) IS DISTINCT FROM (CAST(:review AS text), :note)
""")
_PRUNE = text("""
DELETE FROM alerts WHERE id = ANY (ARRAY(
  SELECT id FROM alerts WHERE status = 'closed' AND changed_at < statement_timestamp() - interval '1 day' * :days
   ORDER BY changed_at LIMIT :limit FOR UPDATE SKIP LOCKED))
""")


class Place(NamedTuple):
    """The last alert of a page, from which the next page continues."""

    moment: datetime
    id: str


@dataclass(frozen=True, slots=True)
class StoredAlert:
    """An alert as people see it."""

    alert: Alert
    series_no: int | None  # None: of a whole watch, like the next
    series_id: str | None
    quiet: str | None  # why nobody was notified of a change
    receivers: list[str]  # that were notified
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    revision: int
    created_at: datetime
    changed_at: datetime
    review: Review | None = None
    note: str = ""  # that a person left
    reviewed_at: datetime | None = None
    reviewed_by: str | None = None


def lock_streams_of_watch(session: Session, watch: str) -> list[int]:
    """Lock the streams that have an unclosed alert of a watch; return their numbers."""
    return list(session.execute(_STREAMS_OF_WATCH, {"watch": watch}).scalars())


def close_of_streams(session: Session, nos: Sequence[int], watch: str | None = None) -> int:
    """Close the alerts of streams that the caller has locked, all or those of one watch; return how many."""
    rows = session.execute(_UNCLOSED_OF_STREAMS, {"nos": list(nos), "watch": watch})
    return _close(session, rows.all())


def close_of_watch(session: Session, watch: str) -> int:
    """Close all alerts of a watch, which is about to be deleted; return how many."""
    nos = lock_streams_of_watch(session, watch)
    count = close_of_streams(session, nos, watch)
    whole = [alert for row in session.execute(_WHOLE_WATCH, {"watch": watch}) if (alert := alert_of(row.alert))]
    write(session, [closed(alert, alert.last_anomaly_at) for alert in whole])
    if whole:
        release_streams(session, nos, [alert.id for alert in whole])
    return count + len(whole)


def close_due(session: Session, watches: Sequence[Watch], limit: int) -> int:
    """Close alerts for which no point came in time, and those of other watches; return how many."""
    parameters = {
        "names": [watch.name for watch in watches],
        "merges": [watch.merge_within_s for watch in watches],
        "afters": [watch.after_s for watch in watches],
        "limit": limit,
    }
    return _close(session, session.execute(_DUE, parameters).all())


def write(session: Session, changed: Iterable[tuple[Alert, Noted]]) -> None:
    """Store the new status of alerts, with their notices."""
    pairs = list(changed)
    if pairs:
        alerts = json.dumps([asdict(alert) for alert, _ in pairs])
        session.execute(_WRITE, {"alerts": alerts, "notices": json.dumps([asdict(notice) for _, notice in pairs])})


def release_streams(session: Session, nos: Sequence[int], alert_ids: Sequence[str]) -> None:
    """Let streams that the caller has locked begin anew after these alerts were closed."""
    if nos:
        session.execute(_RELEASE_STREAMS, {"nos": list(nos), "ids": list(alert_ids)})


def page(
    session: Session, selection: AlertFilter, limit: int, older_than: Place | None = None, offset: int = 0
) -> list[tuple[StoredAlert, Place]]:
    """Return alerts, newest first, each with the place where the next page continues."""
    moment, alert_id = older_than or (None, None)
    parameters = asdict(selection) | {"older_than": older_than, "moment": moment, "id": alert_id}
    # Notices only of the alerts on the page, not of those before it.
    chosen = f"(SELECT * FROM alerts a WHERE {where(parameters)} {_NEWEST_FIRST} LIMIT :limit OFFSET :offset)"
    statement = text(_ALERTS.format(chosen) + _NEWEST_FIRST)
    rows = session.execute(statement, parameters | {"limit": limit, "offset": offset}).all()
    return [(stored(row), Place(row.created_at, str(row.id))) for row in rows]


def find(session: Session, alert_ids: Sequence[str], selection: AlertFilter) -> dict[str, StoredAlert]:
    """Return the existing alerts of a selection by id."""
    rows = _select(session, asdict(selection) | {"ids": list(alert_ids)}, "")
    return {str(row.id): stored(row) for row in rows}


def changed(session: Session, seconds: float, limit: int) -> list[StoredAlert]:
    """Return the alerts that changed within the last `seconds`, the newest change last."""
    order = " ORDER BY a.changed_at DESC LIMIT :limit"
    rows = _select(session, {"changed_after": seconds, "limit": limit}, order)
    return [stored(row) for row in rows][::-1]


def changed_since(session: Session, moment: float, selection: AlertFilter, limit: int) -> list[StoredAlert]:
    """Return the alerts of a selection that changed after a moment, the newest change last: the newest `limit`."""
    parameters = asdict(selection) | {"changed_since": moment, "limit": limit}
    rows = _select(session, parameters, " ORDER BY a.changed_at DESC LIMIT :limit")
    return [stored(row) for row in rows][::-1]


def acknowledge(session: Session, alert_id: str, by: str) -> None:
    """Record who takes care of an alert. Acknowledging it again changes nothing."""
    session.execute(_ACKNOWLEDGE, {"id": alert_id, "by": by})


def review(session: Session, alert_id: str, review: Review | None, note: str, by: str) -> None:
    """Record what a person found an alert to be, in place of an earlier review. note: at most 500 characters."""
    session.execute(_REVIEW, {"id": alert_id, "review": review, "note": note, "by": by})


def prune(session: Session, days: float, limit: int) -> int:
    """Delete alerts that closed more than `days` ago, with their notices; return their number."""
    return session.execute(_PRUNE, {"days": days, "limit": limit}).rowcount


def _close(session: Session, rows: Sequence[Row[Any]]) -> int:
    unclosed = [(row.series_no, alert, row.last_timestamp) for row in rows if (alert := alert_of(row.alert))]
    write(session, [closed(alert, last or alert.last_anomaly_at) for _, alert, last in unclosed])
    release_streams(session, [no for no, *_ in unclosed], [alert.id for _, alert, _ in unclosed])
    return len(unclosed)


def _select(session: Session, parameters: dict[str, Any], order: str) -> Sequence[Row[Any]]:
    return session.execute(text(f"{ALERTS} WHERE {where(parameters)}{order}"), parameters).all()


def stored(row: Row[Any]) -> StoredAlert:
    """Return the alert of a row with all columns, and itself as JSON in `alert`."""
    alert = alert_of(row.alert)
    assert alert is not None  # noqa: S101 - the row has one
    return StoredAlert(
        alert=alert,
        series_no=row.series_no,
        series_id=row.series_id,
        quiet=row.shown_quiet,
        receivers=row.receivers,
        acknowledged_at=row.acknowledged_at,
        acknowledged_by=row.acknowledged_by,
        revision=row.revision,
        created_at=row.created_at,
        changed_at=row.changed_at,
        review=row.review and Review(row.review),
        note=row.note,
        reviewed_at=row.reviewed_at,
        reviewed_by=row.reviewed_by,
    )
