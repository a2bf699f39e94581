"""Sources: read all, put and delete them, and which labels each series id stands for."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text

from shared.domain.series import DAY_S
from shared.domain.watching.labels import Labels
from shared.domain.watching.sources import Source, SourceKind, parse
from shared.errors import Code, NotFoundError
from shared.store.engine import Session

_COLUMNS = "SELECT name, document, revision, failing_since, due_at FROM sources"
_ALL = text(f"{_COLUMNS} ORDER BY name")
_ONE = text(f"{_COLUMNS} WHERE name = :name")
# Another document begins anew: its ids may differ, so the source claims them again.
_PUT = text("""
WITH put AS (
  INSERT INTO sources AS s (name, kind, document, revision, due_at)
  VALUES (:name, :kind, CAST(:document AS jsonb), CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint),
          CASE WHEN :is_fetched THEN clock_timestamp() END)
  ON CONFLICT (name) DO UPDATE
     SET kind = excluded.kind, document = excluded.document, due_at = excluded.due_at, failing_since = NULL,
         revision = greatest(excluded.revision, s.revision + 1)
   WHERE s.document IS DISTINCT FROM excluded.document
  RETURNING name
)
DELETE FROM source_series WHERE source IN (SELECT name FROM put)
""")
_DELETE = text("DELETE FROM sources WHERE name = :name RETURNING 1")

# --- claims -----------------------------------------------------------------------------------------------------------

# An id belongs to other labels once nothing came for it for a while: a container that was replaced has other labels.
_FREE = """
NOT EXISTS (SELECT 1 FROM streams t
             WHERE t.series_id = s.series_id AND t.deleted_at IS NULL AND t.ended_at IS NULL
               AND t.arrived_at > clock_timestamp() - make_interval(secs => greatest(300, 3 * t.usual_gap_s)))
   AND s.created_at < clock_timestamp() - interval '5 minutes'
"""
_ASKED = "unnest(CAST(:ids AS text[]), CAST(:labels AS text[])) AS asked (series_id, labels)"
_CLAIM = text(f"""
INSERT INTO source_series AS s (series_id, source, labels)
SELECT asked.series_id, :source, CAST(asked.labels AS jsonb) FROM {_ASKED} ORDER BY asked.series_id COLLATE "C"
ON CONFLICT (series_id) DO UPDATE
   SET source = excluded.source, labels = excluded.labels, rejected = NULL, created_at = clock_timestamp()
 WHERE s.labels <> excluded.labels AND {_FREE}
""")
_OWNERS = text(f"""
SELECT s.series_id FROM source_series s JOIN {_ASKED} USING (series_id) WHERE s.labels = CAST(asked.labels AS jsonb)
""")
_REJECT = text(f"""
UPDATE source_series s SET rejected = CAST(asked.labels AS jsonb) FROM {_ASKED}
 WHERE s.series_id = asked.series_id AND s.rejected IS NULL RETURNING s.series_id, s.labels
""")
_SERIES = text("SELECT count(*) FROM source_series WHERE source = :source")
_COLLISIONS = text("""
SELECT series_id, labels, rejected FROM source_series WHERE source = :source AND rejected IS NOT NULL
 ORDER BY series_id LIMIT :limit
""")


@dataclass(frozen=True, slots=True)
class StoredSource:
    """A source, and whether fetching it works."""

    source: Source
    failing_since: datetime | None
    due_at: datetime | None  # of the next run; None: nothing is fetched


@dataclass(frozen=True, slots=True)
class Collision:
    """Two sets of labels that have the same id."""

    series_id: str
    labels: Labels  # that have it
    rejected: Labels


def read(session: Session) -> list[StoredSource]:
    """Return all sources, ordered by name."""
    return [_stored(row) for row in session.execute(_ALL)]


def find(session: Session, name: str) -> StoredSource:
    """Return a source; raise `NotFoundError` if it does not exist."""
    row = session.execute(_ONE, {"name": name}).first()
    if row is None:
        raise NotFoundError(Code.SOURCE_NOT_FOUND, "There is no source with this name. GET /sources lists all.")
    return _stored(row)


def put(session: Session, source: Source) -> None:
    """Create or change a source. Doing so again changes nothing."""
    row = {"name": source.name, "kind": str(source.kind), "document": json.dumps(source.document())}
    session.execute(_PUT, {**row, "is_fetched": source.kind == SourceKind.PROMETHEUS})


def delete(session: Session, name: str) -> bool:
    """Delete a source; return False if it does not exist. The points of its series stay."""
    return session.execute(_DELETE, {"name": name}).first() is not None


def claim(session: Session, source: str | None, wanted: Mapping[str, Labels]) -> set[str]:
    """Claim series ids for sets of labels; return the ids that now belong to these labels.

    source: its name; None: line protocol. wanted: labels by id.
    """
    asked = _asked(wanted)
    if owned := set(session.execute(_OWNERS, asked).scalars()):
        asked = _asked({series_id: labels for series_id, labels in wanted.items() if series_id not in owned})
    if not asked["ids"]:
        return owned
    session.execute(_CLAIM, asked | {"source": source})
    return owned | set(session.execute(_OWNERS, asked).scalars())


def reject(session: Session, collisions: Mapping[str, Labels]) -> dict[str, Labels]:
    """Note labels that cannot have the id they want, by id; return the labels that have it, for those noted first."""
    return {row.series_id: row.labels for row in session.execute(_REJECT, _asked(collisions))}


def count_series(session: Session, source: str) -> int:
    """Count the series of a source."""
    return int(session.execute(_SERIES, {"source": source}).scalar_one())


def collisions(session: Session, source: str, limit: int) -> list[Collision]:
    """Return ids that two sets of labels want."""
    return [Collision(*row) for row in session.execute(_COLLISIONS, {"source": source, "limit": limit})]


def _asked(wanted: Mapping[str, Labels]) -> dict[str, Any]:
    return {"ids": list(wanted), "labels": [json.dumps(labels) for labels in map(dict, wanted.values())]}


def _stored(row: Row[Any]) -> StoredSource:
    source = parse(row.name, row.document, max_history_s=10_000 * DAY_S, revision=row.revision, stored=True)
    return StoredSource(source, row.failing_since, row.due_at)
