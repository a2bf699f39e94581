"""The newest point of each stream with its verdict, and whether an alert is open."""

from dataclasses import dataclass

from sqlalchemy import text

from shared.store.engine import Session

# A series has the watch with the longest prefix. Values of streams from which nothing came for a while are left out, so
# that a chart of them has a gap instead of a straight line.
_NEWEST = text("""
SELECT t.series_id, p.value, p.score, p.expected, p.lower, p.upper,
       EXISTS (SELECT 1 FROM alerts a WHERE a.id IN (t.alert, t.silence) AND a.status = 'open') AS is_open
  FROM streams t
  LEFT JOIN points p ON p.series_no = t.no AND p.ts = t.last_timestamp
   AND t.arrived_at > clock_timestamp() - make_interval(secs => greatest(300, 3 * t.usual_step_s, 3 * t.usual_gap_s))
 WHERE t.deleted_at IS NULL AND t.series_id >= :visible_prefix AND t.series_id < :visible_prefix || '~'
   AND t.series_id >= :prefix AND t.series_id < :prefix || '~'
   AND NOT EXISTS (SELECT 1 FROM watches o WHERE length(o.prefix) > length(:prefix)
                      AND starts_with(t.series_id, o.prefix))
 ORDER BY t.series_id LIMIT :limit
""")


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest point of a stream; None where it is old, or has no such number."""

    series_id: str
    value: float | None
    score: float | None
    expected: float | None
    lower: float | None
    upper: float | None
    is_open: bool


def newest(session: Session, prefix: str, limit: int, visible_prefix: str = "") -> list[Newest]:
    """Return the newest points of the series of the watch with a prefix, ordered by id."""
    parameters = {"prefix": prefix, "limit": limit, "visible_prefix": visible_prefix}
    return [Newest(*row) for row in session.execute(_NEWEST, parameters)]
