"""Silence: find streams from which nothing came for too long, and open alerts for them or for their watch.

The caller holds the lock of the watching round, so that one process opens the alert of a whole watch.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import text

from shared.domain.watching.alerts import Alert, Kind, Notice
from shared.domain.watching.silence import ENDED_S, FACTOR, LEAST_S, SHARE
from shared.domain.watching.watches import AUTO, OFF, Watch
from shared.store.engine import Session
from shared.store.locks import RECONCILER
from shared.store.streams import alert_of

_LOCK = text(f"SELECT pg_try_advisory_xact_lock({RECONCILER}, 1)")

# `threshold_s` of the domain, in SQL: all streams are scanned, since an index on arrived_at would cost more with every
# point. A stream that its sender ended may return within `ENDED_S`. Not within two thresholds of a start of the
# database or of this process: clients may not have been able to push. Not while the source of a stream fails, or nobody
# fetches it.
_THRESHOLD = f"""
coalesce(w.fixed_s, CASE WHEN t.usual_gap_s IS NOT NULL THEN greatest(
  {FACTOR} * coalesce(t.usual_step_s, 0), {FACTOR} * t.usual_gap_s, coalesce(t.long_gap_s, 0), {LEAST_S}) END)
"""
_LIMIT = f"CASE WHEN t.ended_at IS NULL THEN {_THRESHOLD} ELSE coalesce(w.fixed_s, {ENDED_S}) END"
_WATCHED = """
  FROM streams t
  JOIN unnest(CAST(:names AS text[]), CAST(:fixed AS double precision[])) AS w (name, fixed_s) ON w.name = t.watch
 WHERE t.deleted_at IS NULL AND t.arrived_at IS NOT NULL
   AND NOT EXISTS (SELECT 1 FROM source_series x JOIN sources o ON o.name = x.source WHERE x.series_id = t.series_id
                      AND (o.failing_since IS NOT NULL OR o.due_at < statement_timestamp() - interval '1 minute'))
"""
_IS_DUE = f"""
t.silence IS NULL AND greatest(t.arrived_at, t.ended_at) < statement_timestamp() - make_interval(secs => {_LIMIT})
  AND least(extract(epoch FROM statement_timestamp() - pg_postmaster_start_time()), :running_s) > 2 * {_LIMIT}
"""
_COUNTS = text(f"""
SELECT t.watch, count(*) AS streams, count(*) FILTER (WHERE {_IS_DUE}) AS due {_WATCHED} GROUP BY t.watch
""")
# A row that this statement waits for is looked at again. SKIP LOCKED: a locked stream is being sent points.
_DUE = text(f"""
SELECT t.no, t.series_id, t.watch, t.last_timestamp, t.version {_WATCHED} AND {_IS_DUE}
 ORDER BY t.no LIMIT :limit FOR NO KEY UPDATE OF t SKIP LOCKED
""")
_OPEN = text(f"""
WITH opened AS (
  INSERT INTO alerts (id, series_no, series_id, watch, kind, status, started_at, opened_at, last_anomaly_at, points,
                      version, step)
  SELECT x.id, x.no, x.series_id, x.watch, '{Kind.SILENCE}', 'open', x.last, x.last, x.last, x.streams, x.version, 1
    FROM unnest(CAST(:ids AS uuid[]), CAST(:nos AS integer[]), CAST(:series_ids AS text[]), CAST(:watches AS text[]),
                CAST(:lasts AS bigint[]), CAST(:versions AS integer[]), CAST(:streams AS integer[]))
      AS x (id, no, series_id, watch, last, version, streams)
)
INSERT INTO notices (alert, step, type) SELECT id, 1, '{Notice.OPENED}' FROM unnest(CAST(:ids AS uuid[])) AS x (id)
""")
_NAME = text("""
UPDATE streams t SET silence = x.id, revision = t.revision + 1
  FROM unnest(CAST(:nos AS integer[]), CAST(:ids AS uuid[])) AS x (no, id) WHERE t.no = x.no
""")
_GROW = text("""
UPDATE alerts SET points = points + :streams, revision = revision + 1, changed_at = clock_timestamp()
 WHERE id = CAST(:id AS uuid)
""")
_OF_WATCHES = text("""
SELECT to_jsonb(a) AS alert, (SELECT count(*) FROM streams t WHERE t.silence = a.id) AS silent
  FROM alerts a WHERE a.kind = 'silence' AND a.status <> 'closed' AND a.series_no IS NULL
""")
_STREAMS = text("SELECT no FROM streams WHERE silence = CAST(:id AS uuid) ORDER BY no FOR NO KEY UPDATE")


class Silent(NamedTuple):
    """A stream that falls silent."""

    no: int
    series_id: str
    watch: str
    last_timestamp: int
    version: int | None


class Counted(NamedTuple):
    """How many streams a watch has, and how many of them fall silent now."""

    streams: int
    due: int


class OpenSilence(NamedTuple):
    """The silence of a whole watch, and how many of its streams are still silent."""

    alert: Alert
    silent: int

    @property
    def is_over(self) -> bool:
        """Whether so many streams speak again that the watch as a whole is no longer silent."""
        return self.silent < SHARE * self.alert.points


def take_turn(session: Session) -> bool:
    """Try to take the lock of the watching round until the end of the transaction."""
    return bool(session.execute(_LOCK).scalar_one())


def counts(session: Session, watches: Sequence[Watch], running_s: float) -> dict[str, Counted]:
    """Count the streams of each watch, and those that fall silent. running_s: for how long this process has run."""
    rows = session.execute(_COUNTS, _rules(watches) | {"running_s": running_s})
    return {row.watch: Counted(row.streams, row.due) for row in rows}


def due(session: Session, watches: Sequence[Watch], running_s: float, limit: int) -> list[Silent]:
    """Lock and return streams that fall silent."""
    parameters = _rules(watches) | {"running_s": running_s, "limit": limit}
    return [Silent(*row) for row in session.execute(_DUE, parameters)]


def open_alerts(session: Session, silences: Mapping[str, Sequence[Silent]], whole: Mapping[str, str]) -> None:
    """Open alerts, and let the streams name them.

    silences: the streams of each alert, by the alert's id. whole: the watch, by the id of each alert of a whole watch.
    """
    rows: list[tuple[object, ...]] = []
    for alert_id, members in silences.items():
        first, last = members[0], min(silent.last_timestamp for silent in members)
        if alert_id in whole:
            rows.append((alert_id, None, None, whole[alert_id], last, None, len(members)))
        else:
            rows.append((alert_id, first.no, first.series_id, first.watch, last, first.version, 0))
    names = ("ids", "nos", "series_ids", "watches", "lasts", "versions", "streams")
    session.execute(_OPEN, dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))
    join(session, silences)


def join(session: Session, silences: Mapping[str, Sequence[Silent]]) -> None:
    """Let silent streams name their alert."""
    pairs = [(silent.no, alert_id) for alert_id, members in silences.items() for silent in members]
    session.execute(_NAME, {"nos": [no for no, _ in pairs], "ids": [alert_id for _, alert_id in pairs]})


def grow(session: Session, alert_id: str, streams: Sequence[Silent]) -> None:
    """Add streams to the open silence of a whole watch."""
    session.execute(_GROW, {"id": alert_id, "streams": len(streams)})
    join(session, {alert_id: streams})


def of_watches(session: Session) -> list[OpenSilence]:
    """Return the open silences of whole watches."""
    rows = session.execute(_OF_WATCHES)
    return [OpenSilence(alert, row.silent) for row in rows if (alert := alert_of(row.alert))]


def lock_streams(session: Session, alert_id: str) -> list[int]:
    """Lock the streams that name a silence; return their numbers."""
    return list(session.execute(_STREAMS, {"id": alert_id}).scalars())


def _rules(watches: Sequence[Watch]) -> dict[str, object]:
    active = [watch for watch in watches if watch.silence != OFF and not watch.paused]
    fixed = [None if watch.silence == AUTO else float(watch.silence) for watch in active]
    return {"names": [watch.name for watch in active], "fixed": fixed}
