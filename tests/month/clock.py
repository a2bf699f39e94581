"""A database whose clock the month sets: every statement, default and trigger follows it, unchanged."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import psycopg2
from sqlalchemy import text

from shared.store.engine import Sessions
from shared.store.schema import migrate
from tests.processes import new_database

# `pg_catalog` comes last, so the functions of this schema replace its clocks. Tables are created in `public`.
_CLOCKS = """
CREATE SCHEMA month;
CREATE TABLE month.clock (moment timestamptz NOT NULL) WITH (fillfactor = 10);
INSERT INTO month.clock VALUES (to_timestamp({start}));
CREATE FUNCTION month.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS 'SELECT moment FROM month.clock';
CREATE FUNCTION month.statement_timestamp() RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT moment FROM month.clock';
CREATE FUNCTION month.now() RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT moment FROM month.clock';
CREATE FUNCTION month.pg_postmaster_start_time() RETURNS timestamptz LANGUAGE sql IMMUTABLE
  AS 'SELECT to_timestamp({start}) - interval ''1 year''';
"""
_SET = text("UPDATE month.clock SET moment = to_timestamp(:now)")


@contextmanager
def database_with_clock(server_url: str, start: int) -> Iterator[str]:
    """Create a migrated database whose clock stands at `start`, in seconds since 1970."""
    with new_database(server_url) as url:
        connection = psycopg2.connect(url)
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(_CLOCKS.format(start=start))
            name = url.rsplit("/", 1)[1]
            cursor.execute(f"ALTER DATABASE {name} SET search_path = public, month, pg_catalog")
        connection.close()
        migrate(url)
        yield url


class Clock:
    """The time of the month, for the database and for processes."""

    def __init__(self, sessions: Sessions, now: int) -> None:
        self._sessions = sessions
        self.now = now

    def set(self, now: int) -> None:
        self.now = now
        with self._sessions.statement() as session:
            session.execute(_SET, {"now": now})

    def __call__(self) -> float:
        return float(self.now)

    def __str__(self) -> str:
        return f"{datetime.fromtimestamp(self.now, UTC):%m-%d %H:%M}"
