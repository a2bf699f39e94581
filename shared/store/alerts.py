"""Alerts: list, follow, acknowledge and close them. A stream's row is locked before its alerts."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from sqlalchemy import text

from shared.domain.watching.alerts import Alert, Noted
from shared.domain.watching.rules import closed
from shared.store.engine import Session
from shared.store.streams import alert_of

# --- close, in the transaction that caused it -------------------------------------------------------------------------

_UNCLOSED_OF_STREAMS = text("""
SELECT a.series_no, to_jsonb(a) AS alert, t.last_timestamp FROM alerts a JOIN streams t ON t.no = a.series_no
 WHERE a.series_no = ANY (CAST(:nos AS integer[])) AND a.status <> 'closed'
   AND (CAST(:watch AS text) IS NULL OR a.watch = :watch)
 ORDER BY a.id FOR NO KEY UPDATE OF a
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
# A new alert of the stream begins with none of the points that the closed one had.
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
SELECT no FROM streams WHERE no IN (SELECT series_no FROM alerts WHERE watch = :watch AND status <> 'closed')
 ORDER BY no FOR NO KEY UPDATE
""")


class Closing(NamedTuple):
    """An unclosed alert of a stream, and the stream's newest timestamp."""

    series_no: int
    alert: Alert
    last_timestamp: int | None


def lock_streams_of_watch(session: Session, watch: str) -> list[int]:
    """Lock the streams that have an unclosed alert of a watch; return their numbers."""
    return list(session.execute(_STREAMS_OF_WATCH, {"watch": watch}).scalars())


def close_of_streams(session: Session, nos: Sequence[int], watch: str | None = None) -> int:
    """Close the alerts of streams that the caller has locked, all or those of one watch; return how many."""
    rows = session.execute(_UNCLOSED_OF_STREAMS, {"nos": list(nos), "watch": watch})
    unclosed = [Closing(row.series_no, _alert(row.alert), row.last_timestamp) for row in rows]
    write(session, [closed(alert, last or alert.last_anomaly_at) for _, alert, last in unclosed])
    release_streams(session, [no for no, *_ in unclosed], [alert.id for _, alert, _ in unclosed])
    return len(unclosed)


def write(session: Session, changed: Iterable[tuple[Alert, Noted | None]]) -> None:
    """Store the new status of alerts, with their notices."""
    pairs = list(changed)
    if pairs:
        alerts = json.dumps([asdict(alert) for alert, _ in pairs])
        notices = json.dumps([asdict(notice) for _, notice in pairs if notice])
        session.execute(_WRITE, {"alerts": alerts, "notices": notices})


def release_streams(session: Session, nos: Sequence[int], alert_ids: Sequence[str]) -> None:
    """Let streams that the caller has locked begin anew after these alerts were closed."""
    if nos:
        session.execute(_RELEASE_STREAMS, {"nos": list(nos), "ids": list(alert_ids)})


def _alert(columns: dict[str, Any]) -> Alert:
    alert = alert_of(columns)
    assert alert is not None  # noqa: S101 - the row has one
    return alert
