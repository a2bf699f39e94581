"""The intake: one statement stores points with their verdicts and everything that they cause.

All of it assumes READ COMMITTED. Rows are locked in the order streams (by number), alerts, notices. Whatever a verdict
depends on is in the row of the stream, or changes only while that row is locked, and each such change adds 1 to the
row's revision. So "the revision is the one that was read" means "the verdict still holds".
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any

from sqlalchemy import TextClause, text

from shared.domain.watching.alerts import Alert, Noted
from shared.domain.watching.rules import Position
from shared.store.engine import Session

MAX_STREAMS, MAX_POINTS = 1_000, 5_000  # per statement: it holds the locks of its streams until its end

# * `agreed` sorts, then locks, so intakes and sweeps never deadlock. READ COMMITTED looks again at a row that it had to
#   wait for, as it is now: streams with another revision drop out, and with them everything they would cause.
#   A deleted stream is not found. The lock is what keeps points from outliving their stream: no foreign key does.
# * The rest of the statement sees the snapshot from before the wait. That is harmless: nothing below reads a table to
#   decide, because the decisions came with the revision. Unique indexes see everything that is committed.
# * The watches are compared once, in that snapshot: if one of them changed, no stream of the batch agrees.
# * The clock is read after the lock, in a subquery of its own, because a volatile function stays where it is written.
# * Each join is of `agreed` with one other thing, on one column: joins of CTEs with each other, whose sizes the planner
#   guesses, became loops over 1,000 x 1,000.
# Foreign keys are checked at the end of the statement, so its parts may run in any order.
_INTAKE = """
WITH agreed AS MATERIALIZED (
  SELECT asked.*, s.last_timestamp, s.silence IS NOT NULL AS was_silent, s.arrived_at, s.usual_step_s, s.usual_gap_s,
         s.long_gap_s
    FROM unnest(
      CAST(:nos AS integer[]), CAST(:revisions AS integer[]), CAST(:fresh AS integer[]), CAST(:lasts AS bigint[]),
      CAST(:versions AS integer[]), CAST(:carries AS text[]), CAST(:recents AS text[]), CAST(:normals AS integer[]),
      CAST(:pendings AS text[]), CAST(:watches AS text[]), CAST(:alert_ids AS uuid[]), CAST(:fits_due AS boolean[]))
      AS asked (no, revision, fresh, last, version, carry, recent, normal, pending, watch, alert, fit_due)
    JOIN streams s ON s.no = asked.no AND s.revision = asked.revision
   WHERE s.no = ANY (CAST(:nos AS integer[]))  -- otherwise the planner reads all streams
     AND s.deleted_at IS NULL
     AND cardinality(CAST(:watch_names AS text[])) = (
         SELECT count(*) FROM watches w
           JOIN unnest(CAST(:watch_names AS text[]), CAST(:watch_revisions AS bigint[])) AS seen (name, revision)
          USING (name, revision))
   ORDER BY s.no FOR NO KEY UPDATE OF s
), stored AS (
  INSERT INTO points (series_no, ts, value, score, expected, lower, upper, boundary, version)
  SELECT p.series_no, p.ts, p.value, p.score, p.expected, p.lower, p.upper, p.boundary, p.judge
    FROM unnest(
      CAST(:point_nos AS integer[]), CAST(:timestamps AS bigint[]), CAST(:values AS double precision[]),
      CAST(:scores AS double precision[]), CAST(:expected AS double precision[]), CAST(:lower AS double precision[]),
      CAST(:upper AS double precision[]), CAST(:boundaries AS real[]), CAST(:judges AS integer[]))
      AS p (series_no, ts, value, score, expected, lower, upper, boundary, judge)
    JOIN agreed ON agreed.no = p.series_no
)
/* old */
, moved AS (
  UPDATE streams AS s
     SET revision = s.revision + sign(a.fresh)::integer, last_timestamp = a.last, version = a.version,
         carry = CAST(a.carry AS double precision[]), points = s.points + a.fresh + a.late, late = s.late + a.late,
         recent = a.recent, normal = a.normal, pending = CAST(a.pending AS jsonb), watch = a.watch, alert = a.alert,
         silence = CASE WHEN a.fresh > 0 THEN NULL ELSE s.silence END,
         ended_at = CASE WHEN a.fresh > 0 THEN NULL ELSE s.ended_at END,
         arrived_at = CASE WHEN a.fresh > 0 THEN a.moment ELSE s.arrived_at END,
         -- medians that cost four bytes each: they follow the newest distance by 5 %
         usual_step_s = CASE WHEN a.fresh = 0 OR a.was_silent THEN a.usual_step_s
                             WHEN a.usual_step_s IS NULL THEN a.step
                             WHEN a.step IS NULL THEN a.usual_step_s
                             ELSE a.usual_step_s * CASE WHEN a.step > a.usual_step_s THEN 1.05 ELSE 0.95 END END,
         usual_gap_s = CASE WHEN a.fresh = 0 OR a.was_silent THEN a.usual_gap_s
                            WHEN a.usual_gap_s IS NULL THEN a.gap
                            ELSE a.usual_gap_s * CASE WHEN a.gap > a.usual_gap_s THEN 1.05 ELSE 0.95 END END,
         long_gap_s = CASE WHEN a.fresh = 0 OR a.was_silent THEN a.long_gap_s
                           ELSE greatest(a.gap, 0.999 * a.long_gap_s) END,
         fit_due_at = CASE WHEN a.fit_due THEN least(s.fit_due_at, a.moment) ELSE s.fit_due_at END
    FROM (SELECT *, extract(epoch FROM moment - arrived_at)::real AS gap,
                 (last - last_timestamp)::real / nullif(fresh, 0) AS step
            FROM (SELECT *, clock_timestamp() AS moment, /* late */ 0 AS late FROM agreed) AS timed) AS a
   WHERE s.no = a.no AND (a.fresh > 0 OR a.late > 0)
)
/* rare */
SELECT no, /* late */ 0 AS late FROM agreed
"""

# For points that are not new. Those that are there stay as they are, so a repetition changes nothing, and what is
# stored is what was judged; the others came late.
_OLD = """
, late_ones AS (
  INSERT INTO points (series_no, ts, value, version)
  SELECT p.series_no, p.ts, p.value, 0
    FROM unnest(CAST(:old_nos AS integer[]), CAST(:old_timestamps AS bigint[]), CAST(:old_values AS double precision[]))
      AS p (series_no, ts, value) JOIN agreed ON agreed.no = p.series_no
  ON CONFLICT DO NOTHING
  RETURNING series_no
), late_numbers AS MATERIALIZED (  -- otherwise each stream counts its points among those of all streams
  SELECT series_no, count(*) AS late FROM late_ones GROUP BY series_no
)
"""
_LATE = "coalesce((SELECT late FROM late_numbers WHERE series_no = no), 0)"

# Only when points change an alert: planned with every batch, it would cost 0.4 ms. One row per alert, as it is in the
# end. Closed ones come first, because a unique index cannot be deferred: they make room for one that opens.
_RARE = """
, written AS (
  INSERT INTO alerts AS a (id, series_no, series_id, watch, kind, status, started_at, opened_at, last_anomaly_at,
                           ended_at, peak, reported_score, points, version, quiet, step)
  SELECT x.* FROM jsonb_to_recordset(CAST(:alerts AS jsonb)) AS x (
         id uuid, series_no integer, series_id text, watch text, kind text, status text, started_at bigint,
         opened_at bigint, last_anomaly_at bigint, ended_at bigint, peak jsonb, reported_score double precision,
         points integer, version integer, quiet text, step integer)
    JOIN agreed ON no = x.series_no ORDER BY x.status, x.started_at
  ON CONFLICT (id) DO UPDATE
     SET status = excluded.status, last_anomaly_at = excluded.last_anomaly_at, ended_at = excluded.ended_at,
         peak = excluded.peak, reported_score = excluded.reported_score, points = excluded.points,
         quiet = excluded.quiet, step = excluded.step, revision = a.revision + 1, changed_at = clock_timestamp()
), noted AS (
  INSERT INTO notices (alert, step, type, quiet)
  SELECT x.alert, x.step, x.type, x.quiet FROM jsonb_to_recordset(CAST(:notices AS jsonb)) AS x (
         series_no integer, alert uuid, step integer, type text, quiet text)
    JOIN agreed ON no = x.series_no ORDER BY x.alert, x.step
)
"""

POINT_COLUMNS = ("scores", "expected", "lower", "upper", "boundaries", "judges")


@dataclass(frozen=True, slots=True)
class Move:
    """What new points make of one stream."""

    no: int
    revision: int  # that was read
    fresh: int  # new points in order
    last_timestamp: int | None
    version: int | None
    carry: Sequence[float] | None
    position: Position
    watch: str | None
    fit_due: bool


@dataclass(slots=True)
class Intake:
    """Everything that one statement writes. Columns of points are texts of values, joined by commas."""

    moves: list[Move] = field(default_factory=list)
    watches: dict[str, int] = field(default_factory=dict)  # revision by name
    alerts: list[dict[str, Any]] = field(default_factory=list)
    notices: list[dict[str, Any]] = field(default_factory=list)
    points: dict[str, list[str]] = field(default_factory=dict)
    old: dict[str, list[str]] = field(default_factory=dict)

    def add_effects(self, no: int, series_id: str, alerts: Iterable[Alert], notices: Iterable[Noted]) -> None:
        """Add the changed alerts of one stream, and their notices."""
        self.alerts += [{"series_no": no, "series_id": series_id, **asdict(alert)} for alert in alerts]
        self.notices += [{"series_no": no, **asdict(notice)} for notice in notices]

    def add_points(self, no: int, timestamps: Sequence[int], values: Sequence[float], **columns: str) -> None:
        """Add new points in order. columns: those of POINT_COLUMNS that are known, as `joined` returns them."""
        unknown = ",".join(["NULL"] * len(timestamps))
        row = {name: columns.get(name, unknown) for name in POINT_COLUMNS}
        _extend(self.points, {"point_nos": _repeated(no, len(timestamps)), "timestamps": joined(timestamps)})
        _extend(self.points, {"values": joined(values), **row})

    def add_old(self, no: int, timestamps: Sequence[int], values: Sequence[float]) -> None:
        """Add points that are not later than the stream's newest one."""
        columns = {"old_nos": _repeated(no, len(timestamps)), "old_timestamps": joined(timestamps)}
        _extend(self.old, {**columns, "old_values": joined(values)})


def take_in(session: Session, intake: Intake) -> dict[int, int]:
    """Write everything in one statement.

    Return the number of late points of each stream whose revision was still the one that was read, by its number.
    Nothing of the other streams is written.
    """
    parameters: dict[str, Any] = {
        **_columns_of_moves(intake.moves),
        "watch_names": list(intake.watches),
        "watch_revisions": list(intake.watches.values()),
        **_arrays(intake.points, ("point_nos", "timestamps", "values", *POINT_COLUMNS)),
    }
    if intake.old:
        parameters |= _arrays(intake.old, tuple(intake.old))
    if intake.alerts:
        parameters |= {"alerts": json.dumps(intake.alerts), "notices": json.dumps(intake.notices)}
    statement = _statement(has_old=bool(intake.old), has_alerts=bool(intake.alerts))
    return {row.no: row.late for row in session.execute(statement, parameters)}


def joined(values: Iterable[object]) -> str:
    """Return values as the inside of an array literal, which takes half the time of the driver's lists. NaN is NULL."""
    return ",".join(map(repr, values)).replace("nan", "NULL")


@lru_cache
def _statement(*, has_old: bool, has_alerts: bool) -> TextClause:
    statement = _INTAKE
    if has_old:
        statement = statement.replace("/* old */", _OLD).replace("/* late */ 0", _LATE)
    if has_alerts:
        statement = statement.replace("/* rare */", _RARE)
    return text(statement)


def _columns_of_moves(moves: Sequence[Move]) -> dict[str, str]:
    return {
        "nos": _literal(move.no for move in moves),
        "revisions": _literal(move.revision for move in moves),
        "fresh": _literal(move.fresh for move in moves),
        "lasts": _literal(move.last_timestamp for move in moves),
        "versions": _literal(move.version for move in moves),
        "carries": _literal(_quoted(f"{{{joined(move.carry)}}}") if move.carry else None for move in moves),
        "recents": _literal(_quoted(move.position.recent) for move in moves),
        "normals": _literal(move.position.normal for move in moves),
        "pendings": _literal(_pending(move.position) for move in moves),
        "watches": _literal(move.watch and _quoted(move.watch) for move in moves),
        "alert_ids": _literal(move.position.alert and move.position.alert.id for move in moves),
        "fits_due": _literal("t" if move.fit_due else "f" for move in moves),
    }


def _pending(position: Position) -> str | None:
    return _quoted(json.dumps([asdict(anomaly) for anomaly in position.pending])) if position.pending else None


def _literal(values: Iterable[object]) -> str:
    return "{" + ",".join("NULL" if value is None else str(value) for value in values) + "}"


def _quoted(item: str) -> str:
    escaped = item.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _repeated(no: int, times: int) -> str:
    return ",".join([str(no)] * times)


def _extend(columns: dict[str, list[str]], parts: Mapping[str, str]) -> None:
    for name, part in parts.items():
        columns.setdefault(name, []).append(part)


def _arrays(columns: Mapping[str, Sequence[str]], names: Sequence[str]) -> dict[str, str]:
    return {name: "{" + ",".join(columns.get(name, ())) + "}" for name in names}
