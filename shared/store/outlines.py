"""Outlines of stored points for small charts, and the newest point of streams."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import text

from shared.store.engine import Session

# LATERAL with a limit: an outline reads so many points at most, however many a second the stream has.
_OUTLINES = text("""
SELECT w.place, (p.ts - w.first) * :slices / (w.last - w.first + 1) AS slice,
       min(p.value) AS low, max(p.value) AS high, max(p.score) AS score, count(p.value) > count(p.score) AS has_unjudged
  FROM unnest(CAST(:nos AS integer[]), CAST(:firsts AS bigint[]), CAST(:lasts AS bigint[]))
       WITH ORDINALITY AS w (no, first, last, place)
 CROSS JOIN LATERAL (
   SELECT ts, value, score FROM points WHERE series_no = w.no AND ts >= w.first AND ts <= w.last
    ORDER BY ts DESC LIMIT :most) AS p
 WHERE p.value IS NOT NULL GROUP BY w.place, slice ORDER BY w.place, slice
""")
_NEWEST = text("""
SELECT t.no, t.last_timestamp, t.usual_step_s, p.value, p.score, p.expected, p.lower, p.upper
  FROM streams t LEFT JOIN points p ON p.series_no = t.no AND p.ts = t.last_timestamp
 WHERE t.no = ANY (CAST(:nos AS integer[])) AND t.last_timestamp IS NOT NULL
""")


class Window(NamedTuple):
    """A span of a stream, in seconds, both ends included."""

    no: int
    first: int
    last: int


class Slice(NamedTuple):
    """The points in a slice of a window that has any with a value."""

    place: int  # from 0
    low: float
    high: float
    score: float | None  # the highest; None: no point was judged
    has_unjudged: bool


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest point of a stream."""

    timestamp: int
    usual_step_s: float | None
    value: float | None
    score: float | None
    expected: float | None
    lower: float | None
    upper: float | None


def outlines(session: Session, windows: Sequence[Window], slices: int, most: int) -> list[list[Slice]]:
    """Return the outline of each window: its slices with points, of which it reads the newest `most`."""
    found: dict[int, list[Slice]] = defaultdict(list)
    if windows:
        nos, firsts, lasts = map(list, zip(*windows, strict=True))
        parameters = {"nos": nos, "firsts": firsts, "lasts": lasts, "slices": slices, "most": most}
        for row in session.execute(_OUTLINES, parameters):
            found[row.place].append(Slice(row.slice, row.low, row.high, row.score, row.has_unjudged))
    return [found[place] for place in range(1, len(windows) + 1)]


def newest(session: Session, nos: Collection[int]) -> dict[int, Newest]:
    """Return the newest point of each stream that has one, by its number."""
    if not nos:
        return {}
    rows = session.execute(_NEWEST, {"nos": list(nos)})
    return {
        row.no: Newest(row.last_timestamp, row.usual_step_s, row.value, row.score, row.expected, row.lower, row.upper)
        for row in rows
    }
