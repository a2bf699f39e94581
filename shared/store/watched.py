"""The streams of watches: how many each has, by status, and those that need attention.

A series has the watch with the longest prefix of its id, so a watch has the streams of its prefix without those of
longer prefixes.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text

from shared.domain.watching.schedules import FAILING
from shared.store.engine import Session

# The version of the newest point comes with the row, so that a look at the versions is needed only for the rest.
_IS_LEARNING = """
t.silence IS NULL AND t.version IS NULL AND NOT EXISTS (SELECT 1 FROM versions v WHERE v.series_id = t.series_id)
"""
# One range of the index for each watch; what longer prefixes have is subtracted afterwards, since comparing each
# stream with each prefix is slower by the number of watches.
_COUNTS = text(f"""
SELECT w.name, w.prefix, c.streams, c.silent, c.learning, c.failing,
       (SELECT count(*) FROM alerts a WHERE a.watch = w.name AND a.status = 'open' AND a.quiet IS NULL) AS open_alerts
  FROM watches w CROSS JOIN LATERAL (
    SELECT count(*) AS streams, count(*) FILTER (WHERE t.silence IS NOT NULL) AS silent,
           count(*) FILTER (WHERE {_IS_LEARNING}) AS learning,
           count(*) FILTER (WHERE t.fit_failures >= {FAILING}) AS failing
      FROM streams t
     WHERE t.deleted_at IS NULL AND t.series_id >= w.prefix AND t.series_id < w.prefix || '~') AS c
 WHERE w.prefix >= :under AND w.prefix < :under || '~'
""")
_FITS = text("""
SELECT t.watch, max(t.fit_settled_at) FILTER (WHERE t.fit_outcome IN ('requested', 'fitted')) AS last_fit_at,
       min(t.fit_due_at) AS next_fit_at
  FROM streams t WHERE t.deleted_at IS NULL AND t.watch = ANY (CAST(:names AS text[])) GROUP BY t.watch
""")
_IS_OWN = """
       t.series_id >= :prefix AND t.series_id < :prefix || '~'
   AND NOT EXISTS (SELECT 1 FROM watches o
                    WHERE o.prefix > :prefix AND o.prefix < :prefix || '~' AND starts_with(t.series_id, o.prefix))
"""
_IS_REFUSED = "t.fit_outcome IS NOT DISTINCT FROM 'refused'"
_STREAMS = f"""
SELECT t.series_id, t.fit_detail AS detail FROM streams t WHERE t.deleted_at IS NULL AND {_IS_OWN}
"""
_REFUSED = text(f"{_STREAMS} AND {_IS_REFUSED} ORDER BY t.fit_settled_at DESC, t.series_id LIMIT :limit")
_SILENT = text(f"{_STREAMS} AND t.silence IS NOT NULL ORDER BY t.arrived_at, t.series_id LIMIT :limit")
_LEARNING = text(f"""
{_STREAMS} AND {_IS_LEARNING} AND NOT {_IS_REFUSED} ORDER BY t.points DESC, t.series_id LIMIT :limit
""")
_ANY = text(f"""
SELECT t.series_id FROM streams t WHERE t.deleted_at IS NULL AND {_IS_OWN} ORDER BY t.series_id LIMIT :limit
""")
_RECENT_ALERTS = text("""
SELECT watch, count(*) AS alerts FROM alerts
 WHERE created_at > statement_timestamp() - interval '1 day' * :days GROUP BY watch
""")
_FAILED = text(f"""
SELECT CAST(t.id AS text) FROM fit_jobs t
 WHERE t.status = 'failed' AND {_IS_OWN}
   AND NOT EXISTS (SELECT 1 FROM fit_jobs n
                    WHERE n.series_id = t.series_id AND (n.created_at, n.seq) > (t.created_at, t.seq))
 ORDER BY t.created_at DESC, t.seq DESC LIMIT :limit
""")


class Counts(NamedTuple):
    """How many streams a watch has, how many are silent, still learn or cannot be refitted, and its open alerts."""

    streams: int = 0
    silent: int = 0
    learning: int = 0  # not silent, without a version
    failing: int = 0  # their last automatic fits failed, whatever else they are
    open_alerts: int = 0

    @property
    def watching(self) -> int:
        """The streams that are neither silent nor learning."""
        return self.streams - self.silent - self.learning


class Fits(NamedTuple):
    """Automatic fits of a watch."""

    last_fit_at: datetime | None = None  # when the newest one was requested
    next_fit_at: datetime | None = None  # when the next one is due


@dataclass(frozen=True, slots=True)
class Attention:
    """Streams of a watch that people should look at."""

    failed_jobs: list[str]  # ids of fits that failed and are the newest of their series, newest first
    refused: dict[str, str]  # why the points cannot be fitted, by id of the series, newest first
    silent: list[str]  # ids of series, longest silent first
    learning: list[str]  # ids of series, most points first


def counts(session: Session, under: str) -> dict[str, Counts]:
    """Return the counts of all watches whose prefix begins with `under`, by name."""
    rows = session.execute(_COUNTS, {"under": under}).all()
    whole = {row.prefix: (row.streams, row.silent, row.learning, row.failing) for row in rows}
    own = {prefix: list(numbers) for prefix, numbers in whole.items()}
    for prefix, numbers in whole.items():
        shorter = next((prefix[:end] for end in range(len(prefix) - 1, -1, -1) if prefix[:end] in own), None)
        if shorter is not None:
            own[shorter] = [number - less for number, less in zip(own[shorter], numbers, strict=True)]
    return {
        row.name: Counts(streams, silent, learning, failing, row.open_alerts)
        for row in rows
        for streams, silent, learning, failing in [own[row.prefix]]
    }


def fits(session: Session, names: Collection[str]) -> dict[str, Fits]:
    """Return the last and the next automatic fit of watches with streams, by name; scans all streams."""
    rows = session.execute(_FITS, {"names": list(names)})
    return {row.watch: Fits(row.last_fit_at, row.next_fit_at) for row in rows}


def recent_alerts(session: Session, days: int) -> dict[str, int]:
    """Return the number of alerts that each watch opened in the last `days`, by name; only watches with any."""
    return {row.watch: row.alerts for row in session.execute(_RECENT_ALERTS, {"days": days})}


def attention(session: Session, prefix: str, limit: int) -> Attention:
    """Return the streams of the watch with this prefix that need attention, at most `limit` of each kind."""
    parameters = {"prefix": prefix, "limit": limit}
    failed, silent, learning = (
        list(session.execute(statement, parameters).scalars()) for statement in (_FAILED, _SILENT, _LEARNING)
    )
    refused = {row.series_id: row.detail or "" for row in session.execute(_REFUSED, parameters)}
    return Attention(failed, refused, silent, learning)


def series_of(session: Session, prefix: str, limit: int) -> list[str]:
    """Return ids of streams of the watch with this prefix, in order, at most `limit`."""
    return list(session.execute(_ANY, {"prefix": prefix, "limit": limit}).scalars())
