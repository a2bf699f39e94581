"""Stored points: tails for judgments, windows for fits and charts, and their deletion in batches."""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import Result, text

from shared.domain.series import Timestamps, Values
from shared.domain.watching.stored import LATE, StoredPoints
from shared.store.engine import Session

# The last points that came in order. If a stream has moved on since it was read, its tail is too new, but then its
# revision is too. Late points are never context: otherwise, a verdict would depend on the process that gave it.
# Texts of arrays: NumPy reads them in a tenth of the time that the driver takes for rows or lists.
_TAILS = text(f"""
SELECT w.no, CAST(t.timestamps AS text) AS timestamps, CAST(t.values AS text) AS values
  FROM unnest(CAST(:nos AS integer[]), CAST(:lengths AS integer[])) AS w (no, length)
 CROSS JOIN LATERAL (
   SELECT array_agg(ts ORDER BY ts) AS timestamps, array_agg(value ORDER BY ts) AS values
     FROM (SELECT p.ts, p.value FROM points p
            WHERE p.series_no = w.no AND p.version IS DISTINCT FROM {LATE} ORDER BY p.ts DESC LIMIT w.length) AS newest
   ) AS t
""")
_COLUMNS = "SELECT p.ts, p.value, p.score, p.expected, p.lower, p.upper, p.boundary, p.version FROM points p"
_AT = text(f"""
{_COLUMNS} JOIN unnest(CAST(:timestamps AS bigint[])) AS asked (ts) ON asked.ts = p.ts
 WHERE p.series_no = :no ORDER BY p.ts
""")
_BETWEEN = text(f"""
{_COLUMNS} JOIN streams t ON t.no = p.series_no
 WHERE t.series_id = :series_id AND t.deleted_at IS NULL AND p.ts >= :start AND p.ts <= :end ORDER BY p.ts LIMIT :limit
""")
_NEWEST_BETWEEN = text(f"""
SELECT * FROM ({_COLUMNS} WHERE p.series_no = :no AND p.ts >= :start AND p.ts <= :end ORDER BY p.ts DESC LIMIT :limit) p
 ORDER BY p.ts
""")
# Late points are known points: a fit learns from them. Known gaps have no value.
_WINDOW = text("""
SELECT CAST(array_agg(ts ORDER BY ts) AS text) AS timestamps, CAST(array_agg(value ORDER BY ts) AS text) AS values
  FROM (SELECT p.ts, p.value FROM points p JOIN streams t ON t.no = p.series_no
         WHERE t.series_id = :series_id AND t.deleted_at IS NULL AND p.ts >= :start AND p.ts <= :end
           AND p.value IS NOT NULL ORDER BY p.ts LIMIT :limit) AS found
""")

# Retention of a slice of streams, in the order of their numbers; the next call continues after the last one. No lock on
# streams is needed: nothing inserts so far back (`too_old`), and no context reaches there. The newest point stays.
_EXPIRE = text("""
WITH slice AS MATERIALIZED (
  SELECT no, last_timestamp FROM streams WHERE no > :after ORDER BY no LIMIT :streams
), deleted AS (
  DELETE FROM points p USING slice
   WHERE p.series_no = slice.no AND p.ts < :before AND p.ts < slice.last_timestamp RETURNING 1
)
SELECT max(no) AS last, (SELECT count(*) FROM deleted) AS deleted FROM slice
""")
_DELETE = text("""
DELETE FROM points p USING (
  SELECT series_no, ts FROM points WHERE series_no = :no AND ts < :before ORDER BY ts LIMIT :limit) AS batch
 WHERE p.series_no = batch.series_no AND p.ts = batch.ts
""")
_BEFORE = text(f"""
SELECT ts, value FROM points
 WHERE series_no = :no AND ts < :timestamp AND version IS DISTINCT FROM {LATE} ORDER BY ts DESC LIMIT :length
""")
# The value nearest to a moment, within three quarters of the stream's usual step.
_NEAR = text("""
SELECT asked.no, (
    SELECT p.value FROM points p
     WHERE p.series_no = asked.no AND p.value IS NOT NULL AND p.ts BETWEEN asked.ts - slack AND asked.ts + slack
     ORDER BY abs(p.ts - asked.ts) LIMIT 1) AS value
  FROM unnest(CAST(:nos AS integer[]), CAST(:timestamps AS bigint[])) AS asked (no, ts)
  JOIN streams t ON t.no = asked.no, LATERAL (SELECT CAST(0.75 * greatest(t.usual_step_s, 1) AS bigint) AS slack) AS s
""")
_FOREVER = 2**62


class Tail(NamedTuple):
    """The last points of a stream that came in order."""

    timestamps: Timestamps
    values: Values  # NaN: a known gap


class Expired(NamedTuple):
    """What one call of `expire` did."""

    last: int | None  # the last stream of the slice; None: no stream was left
    points: int


def tails(session: Session, lengths: Mapping[int, int]) -> dict[int, Tail]:
    """Return the tails of streams. lengths: number of points by number of the stream."""
    rows = session.execute(_TAILS, {"nos": list(lengths), "lengths": list(lengths.values())})
    return {row.no: _tail(row.timestamps, row.values) for row in rows}


def at(session: Session, no: int, timestamps: Collection[int]) -> StoredPoints:
    """Return the points of a stream at these timestamps that exist."""
    return _stored(session.execute(_AT, {"no": no, "timestamps": list(timestamps)}))


def between(session: Session, series_id: str, start: int, end: int, limit: int) -> StoredPoints:
    """Return the stored points of a series from `start` to `end`, oldest first, at most `limit`."""
    parameters = {"series_id": series_id, "start": start, "end": end, "limit": limit}
    return _stored(session.execute(_BETWEEN, parameters))


def newest_between(session: Session, no: int, start: int, end: int, limit: int) -> StoredPoints:
    """Return the newest stored points of a stream from `start` to `end`, at most `limit`, oldest first."""
    return _stored(session.execute(_NEWEST_BETWEEN, {"no": no, "start": start, "end": end, "limit": limit}))


def window(session: Session, series_id: str, start: int, end: int, limit: int) -> Tail:
    """Return the points with values from `start` to `end`, oldest first, at most `limit`."""
    parameters = {"series_id": series_id, "start": start, "end": end, "limit": limit}
    return _tail(*session.execute(_WINDOW, parameters).one())


def tail_before(session: Session, no: int, timestamp: int, length: int) -> Tail:
    """Return the last `length` points of a stream before a timestamp, without late ones."""
    rows = session.execute(_BEFORE, {"no": no, "timestamp": timestamp, "length": length}).all()[::-1]
    return Tail(np.array([row.ts for row in rows], dtype=np.int64), _floats(tuple(row.value for row in rows)))


def near(session: Session, timestamps: Mapping[int, int]) -> dict[int, float]:
    """Return the value of each stream at about a timestamp, as far as there is one. timestamps: by stream number."""
    rows = session.execute(_NEAR, {"nos": list(timestamps), "timestamps": list(timestamps.values())})
    return {row.no: row.value for row in rows if row.value is not None}


def expire(session: Session, after: int, before: int, max_streams: int) -> Expired:
    """Delete points older than the timestamp `before` of the next streams, starting after the number `after`."""
    row = session.execute(_EXPIRE, {"after": after, "before": before, "streams": max_streams}).one()
    return Expired(row.last, row.deleted)


def delete(session: Session, no: int, before: int | None, limit: int) -> int:
    """Delete at most `limit` points of a stream, all or those before a timestamp; return how many."""
    before = _FOREVER if before is None else before
    return session.execute(_DELETE, {"no": no, "before": before, "limit": limit}).rowcount


def _tail(timestamps: str | None, values: str | None) -> Tail:
    """Read the texts of two arrays; None: there are no rows."""
    if timestamps is None or values is None:
        return Tail(np.empty(0, dtype=np.int64), np.empty(0))
    return Tail(
        np.fromstring(timestamps[1:-1], dtype=np.int64, sep=","),
        np.fromstring(values[1:-1].replace("NULL", "nan"), sep=","),
    )


def _stored(rows: Result[Any]) -> StoredPoints:
    timestamps, values, scores, expected, lower, upper, boundaries, versions = (
        list(zip(*(tuple(row) for row in rows), strict=True)) or [()] * 8
    )
    return StoredPoints(
        np.array(timestamps, dtype=np.int64),
        _floats(values),
        _floats(scores),
        _floats(expected),
        _floats(lower),
        _floats(upper),
        _floats(boundaries),
        tuple(versions),
    )


def _floats(column: tuple[float | None, ...]) -> Values:
    return np.array(column, dtype=np.float64)
