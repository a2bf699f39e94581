"""The last pages of long lists, and everything else that may depend on how many rows there are."""

from collections.abc import Iterator

from sqlalchemy import text

from shared.store.engine import Session
from tests.fuzz.worst import START, Worst

NAME = "worst-deep"  # of the watch and the receiver, and prefix of the series
STREAM = f"{NAME}-0000001"  # with as many points as there are rows of the other kinds
PAGE = 200
NOBODY = "00000000-0000-0000-0000-000000000000"

_PARAMETERS = "generate_series(1, :rows) AS number"
_FILL = (
    f"""
INSERT INTO streams (series_id, points, last_timestamp, arrived_at, watch)
SELECT :name || '-' || lpad(number::text, 7, '0'), 1, :start, clock_timestamp(), :name FROM {_PARAMETERS}
""",
    f"""
INSERT INTO points (series_no, ts, value, score, expected, lower, upper, boundary, version)
SELECT t.no, :start + 60 * number, random(), random(), random(), 0, 1, 1, 1
  FROM streams t, {_PARAMETERS} WHERE t.series_id = :name || '-0000001'
""",
    f"""
INSERT INTO fit_jobs (id, series_id, detector, points, data_sha256, data_size, status, created_at, finished_at)
SELECT gen_random_uuid(), :name || '-' || number, 'baseline', 3, sha256('d'), 1, 'cancelled',
       to_timestamp(:start + number), to_timestamp(:start + number) FROM {_PARAMETERS}
""",
    f"""
INSERT INTO alerts (id, series_no, series_id, watch, kind, status, started_at, opened_at, last_anomaly_at, ended_at,
                    peak, reported_score, points, version, step, created_at)
SELECT gen_random_uuid(), t.no, t.series_id, :name, 'deviation', 'closed', :start, :start, :start, :start + 60,
       jsonb_build_object('timestamp', :start, 'value', 9.5, 'score', 2.5, 'expected', 5, 'lower', 4, 'upper', 6),
       2.5, 3, 1, 2, to_timestamp(:start + number)
  FROM streams t, {_PARAMETERS} WHERE t.series_id = :name || '-' || lpad(number::text, 7, '0')
""",
    """
INSERT INTO notices (alert, step, type, handled_at, receivers)
SELECT a.id, n.step, n.type, clock_timestamp(), ARRAY[:name]
  FROM alerts a, (VALUES (1, 'alert.opened'), (2, 'alert.closed')) AS n (step, type) WHERE a.watch = :name
""",
    """
INSERT INTO receivers (name, kind, url, types) VALUES (:name, 'slack', 'https://example.com/', ARRAY['alert.opened'])
""",
    f"""
INSERT INTO deliveries (receiver, message, type, watch, document, status, noted_at, ended_at)
SELECT :name, 'message-' || number, 'test', :name, '{{}}', 'delivered', clock_timestamp(), clock_timestamp()
  FROM {_PARAMETERS}
""",
)
_EMPTY = (
    "DELETE FROM receivers WHERE name = :name",
    "DELETE FROM alerts WHERE watch = :name",
    "DELETE FROM fit_jobs WHERE starts_with(series_id, :name)",
    "DELETE FROM points WHERE series_no IN (SELECT no FROM streams WHERE watch = :name)",
    "DELETE FROM streams WHERE watch = :name",
)


def fill(session: Session, rows: int) -> None:
    """Insert so many streams, jobs, alerts and deliveries, and as many points of one stream."""
    for statement in _FILL:
        session.execute(text(statement), {"name": NAME, "start": START, "rows": rows})


def empty(session: Session) -> None:
    """Delete what `fill` has inserted."""
    for statement in _EMPTY:
        session.execute(text(statement), {"name": NAME})


def requests(rows: int) -> Iterator[Worst]:
    """Requests that read the end of each list, or all of it."""
    last = 1_000_000 * (START + PAGE + 1)
    for path in (
        f"/jobs?limit={PAGE}&cursor={last}-0",
        f"/ui/jobs?cursor={last}-0",
        f"/alerts?limit={PAGE}&cursor={last}-{NOBODY}",
        f"/ui/alerts?page={max(rows // 100, 1)}",
        "/alerts?watch=nobody",
        f"/alerts?from={START + 10**8}",
        f"/series?limit={PAGE}&cursor={NAME}-{rows - PAGE:07}",
        f"/series/{STREAM}/points?max_points=20000",
        f"/series/{STREAM}/points?from={START + 60 * (rows - PAGE)}",
        f"/ui/series/{STREAM}",
        f"/receivers/{NAME}/deliveries?limit={PAGE}",
        f"/receivers/{NAME}/deliveries?limit={PAGE}&before={PAGE + 1}",
        f"/metrics/series?watch={NAME}",
        f"/watches/{NAME}",
    ):
        yield Worst(f"deep, {path[:60]}", "GET", path, headers={"Accept": "text/html, */*"})
    yield Worst("test of a receiver", "POST", f"/receivers/{NAME}/test")
    for path in ("/alerts/events", "/jobs/events"):
        yield Worst(path, "GET", path, is_endless=True)
