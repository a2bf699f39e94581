"""Connections to PostgreSQL. A transaction is `with sessions.begin() as session:` at the verb; nobody else commits."""

import select
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

import psycopg2
from sqlalchemy import Connection, Dialect, Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, InterfaceError, InvalidatePoolError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from shared.errors import Code, UnavailableError
from shared.settings import Settings

Session = Connection  # for as long as one transaction. No objects are mapped, so what maps them is not paid for.

_TRUSTED_S = 1.0  # after a connection was used
_IDLE_SINCE = "idle_since"

# What our triggers raise. The driver files it under outages, but it is a defect of ours: waiting does not help.
_REFUSED_BY_GUARD = "55000"


def make_engine(settings: Settings, application_name: str) -> Engine:
    """A pool of `DATABASE_POOL_SIZE` connections, opened when first used. Make it after a fork, never before."""
    milliseconds = int(settings.database_statement_timeout_s * 1000)
    engine = create_engine(
        settings.database,
        pool_size=settings.database_pool_size,
        max_overflow=0,
        pool_timeout=settings.database_pool_timeout_s,
        connect_args={
            "connect_timeout": settings.database_connect_timeout_s,
            "application_name": application_name,
            "options": f"-c statement_timeout={milliseconds} -c idle_in_transaction_session_timeout={milliseconds}",
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
        },
    )
    event.listen(engine, "checkin", _note_idle)
    event.listen(engine, "checkout", partial(_check_alive, engine.dialect))
    return engine


def _note_idle(_connection: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
    record.info[_IDLE_SINCE] = time.monotonic()


def _check_alive(
    dialect: Dialect, connection: DBAPIConnection, record: ConnectionPoolEntry, _checked_out: PoolProxiedConnection
) -> None:
    """Ask a connection that may have died, so that a restarted database costs nobody an error.

    SQLAlchemy's own check asks each time, which took as long as the statements of a fit. One that was used a moment ago
    is asked only when there is something to read on it, as when the server has hung up.
    """
    idle_since = record.info.get(_IDLE_SINCE)
    if idle_since is None:  # it is new
        return
    try:
        if time.monotonic() - idle_since > _TRUSTED_S or _is_readable(connection):
            dialect.do_ping(connection)
    except psycopg2.Error:
        raise InvalidatePoolError from None  # a new one is made, and all others are dropped too


def _is_readable(connection: Any) -> bool:
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))


class Sessions:
    """Where transactions begin. An unreachable database is `UnavailableError`, whatever the driver calls it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine  # of connections that may still be in the mode of their last use

    def begin(self) -> AbstractContextManager[Session]:
        """One transaction: commits at the end of the block, rolls back when an error leaves it."""
        return self._begin(autocommit=False)

    def statement(self) -> AbstractContextManager[Session]:
        """For statements that are each a transaction by itself: BEGIN and COMMIT would be round trips of their own."""
        return self._begin(autocommit=True)

    @contextmanager
    def _begin(self, *, autocommit: bool) -> Iterator[Session]:
        try:
            with self.engine.begin() as session:
                # The driver's own switch, set each time. SQLAlchemy's option costs a round trip when it is set back.
                driver: Any = session.connection.driver_connection
                driver.autocommit = autocommit
                yield session
        except (OperationalError, InterfaceError, PoolTimeoutError) as error:
            if isinstance(error, OperationalError) and getattr(error.orig, "pgcode", None) == _REFUSED_BY_GUARD:
                raise
            raise unavailable() from error
        except DBAPIError as error:
            if error.connection_invalidated:
                raise unavailable() from error
            raise


def unavailable() -> UnavailableError:
    """What everybody is told when the database does not answer."""
    return UnavailableError(
        Code.DATABASE_UNAVAILABLE, "The database cannot be reached at the moment. Try again.", retry_after_s=2
    )
