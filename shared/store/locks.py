"""The advisory locks of PostgreSQL, each number named once. All of them are held until the end of the transaction.

| lock | second key | who takes it |
|---|---|---|
| `SERIES` | `hashtext(series_id)` | accepting fits, deleting a series; the collector tries it |
| `RECONCILER` | 0 | a reconciler's round tries it: one works at a time |
| `MIGRATION` | none | a migration waits for it |
"""

SERIES = 8243
RECONCILER = 8244
MIGRATION = 8245


def lock_series(series_id: str) -> str:
    """The SQL expression that waits for the turn of a series; `series_id` is an expression too."""
    return f"pg_advisory_xact_lock({SERIES}, hashtext({series_id}))"


def try_series(series_id: str) -> str:
    """The SQL expression that is true where the turn of a series was taken without waiting."""
    return f"pg_try_advisory_xact_lock({SERIES}, hashtext({series_id}))"
