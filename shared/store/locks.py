"""Advisory locks in PostgreSQL. A transaction holds them until its end.

| lock | second key | who takes it |
|---|---|---|
| `SERIES` | `hashtext(series_id)` | accepting fits and deleting a series wait for it; the collector tries it |
| `RECONCILER` | 0 | a round of a reconciler tries it, so that one works at a time |
| `RECONCILER` | 1 | a watching round of a reconciler tries it, for the same reason |
| `RECONCILER` | 2 | the scheduler of a reconciler tries it, for the same reason |
| `FOLDERS` | 0 | a process that marks an artifact folder waits for it |
| `MIGRATION` | none | a migration waits for it |
"""

SERIES = 8243
RECONCILER = 8244
MIGRATION = 8245
FOLDERS = 8246


def lock_series(series_id: str) -> str:
    """Return the SQL expression that waits for the lock of a series; `series_id` is an SQL expression."""
    return f"pg_advisory_xact_lock({SERIES}, hashtext({series_id}))"


def try_series(series_id: str) -> str:
    """Return the SQL expression that tries to lock a series; it is true on success and never waits."""
    return f"pg_try_advisory_xact_lock({SERIES}, hashtext({series_id}))"
