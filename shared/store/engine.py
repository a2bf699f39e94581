"""Connections to PostgreSQL. `with sessions.begin() as session:` opens a transaction; no other code commits."""

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
from shared.store.deadlines import bounded_connections, within

Session = Connection  # for one transaction. Nothing is mapped to objects, which saves the cost of an ORM session.

_TRUSTED_S = 1.0  # a connection used within this time is pinged only if readable
_BEYOND_STATEMENT_S = 1.0  # a server that works aborts a statement before the client gives up
_IDLE_SINCE = "idle_since"

# Our triggers raise this. The driver reports it as an outage, but it is a bug in our code, so a retry cannot help.
_REFUSED_BY_GUARD = "55000"


def make_engine(settings: Settings, application_name: str) -> Engine:
    """Create a pool of `DATABASE_POOL_SIZE` connections, opened on first use. Call this after a fork, never before."""
    milliseconds = int(settings.database_statement_timeout_s * 1000)
    engine = create_engine(
        settings.database,
        pool_size=settings.database_pool_size,
        max_overflow=0,
        pool_timeout=settings.database_pool_timeout_s,
        connect_args={
            "connection_factory": bounded_connections(
                settings.database_connect_timeout_s, settings.database_statement_timeout_s + _BEYOND_STATEMENT_S
            ),
            "connect_timeout": settings.database_connect_timeout_s,
            "application_name": application_name,
            "options": f"-c statement_timeout={milliseconds} -c idle_in_transaction_session_timeout={milliseconds}",
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
        },
    )
    event.listen(engine, "checkin", _note_idle)
    event.listen(engine, "checkout", partial(_check_alive, engine.dialect, settings.database_connect_timeout_s))
    return engine


def _note_idle(_connection: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
    record.info[_IDLE_SINCE] = time.monotonic()


def _check_alive(
    dialect: Dialect,
    ping_s: float,
    connection: DBAPIConnection,
    record: ConnectionPoolEntry,
    _checked_out: PoolProxiedConnection,
) -> None:
    """Ping a connection that may be dead, so that a database restart causes no errors.

    SQLAlchemy's own check pings on every checkout; the pings take as long as the statements of a fit. This one pings a
    recently used connection only if its socket is readable: the server may have closed it.
    """
    idle_since = record.info.get(_IDLE_SINCE)
    if idle_since is None:  # a new connection
        return
    try:
        if time.monotonic() - idle_since > _TRUSTED_S or _is_readable(connection):
            with within(connection, ping_s):
                dialect.do_ping(connection)
    except psycopg2.Error:
        raise InvalidatePoolError from None  # opens a new connection and drops all others


def _is_readable(connection: Any) -> bool:
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))


class Sessions:
    """Opens transactions. Translates all driver errors for an unreachable database to `UnavailableError`."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine  # its connections may still have the autocommit mode of their last use

    def begin(self) -> AbstractContextManager[Session]:
        """Open a transaction: it commits at the end of the block and rolls back on an error."""
        return self._begin(autocommit=False)

    def statement(self) -> AbstractContextManager[Session]:
        """Open an autocommit session, in which each statement is a transaction: it saves two round trips."""
        return self._begin(autocommit=True)

    @contextmanager
    def _begin(self, *, autocommit: bool) -> Iterator[Session]:
        try:
            with self.engine.begin() as session:
                # Set the driver's own switch each time: SQLAlchemy's option costs a round trip when it is reset.
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
    """Create the error for a database that does not answer."""
    return UnavailableError(
        Code.DATABASE_UNAVAILABLE, "The database is unreachable at the moment. Try again.", retry_after_s=2
    )
