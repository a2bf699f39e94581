"""Dump and load all rows as text, table by table, for backups."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO

import psycopg2
from sqlalchemy import ForeignKeyConstraint, Table, inspect, text
from sqlalchemy.schema import AddConstraint, DropConstraint

from shared.errors import Code, UnavailableError
from shared.store.deadlines import no_deadlines
from shared.store.engine import Session
from shared.store.tables import fits, metadata

_SNAPSHOT = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
POINTS = "points"  # the only table that a backup may leave out
_TABLES = {table.name: table for table in metadata.sorted_tables if table is not fits.artifact_folders}
# Foreign keys to rows that are loaded later.
_CIRCULAR = [
    constraint
    for table in metadata.sorted_tables
    for constraint in table.constraints
    if isinstance(constraint, ForeignKeyConstraint) and constraint.use_alter
]


class Digest:
    """A writable file that computes the SHA-256 of its content."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()

    def write(self, content: bytes) -> int:
        """Write bytes and add them to the digest; return their number."""
        self.sha256.update(content)
        return self._file.write(content)


def use_one_snapshot(session: Session) -> None:
    """Make a transaction read a single snapshot. Call this before its first query."""
    session.execute(_SNAPSHOT)


def table_names() -> Iterable[str]:
    """Return the names of all tables, in an order in which they can be loaded."""
    return _TABLES


def columns(name: str) -> list[str]:
    """Return the column names of a table."""
    return [column.name for column in _TABLES[name].columns]


def write(session: Session, name: str, file: Digest) -> int:
    """Write the rows of a table in the text format of COPY; return their number."""
    with _cursor(session) as cursor:
        cursor.copy_expert(f"COPY {name} ({_listed(columns(name))}) TO STDOUT", file)
        return int(cursor.rowcount)


def is_empty(session: Session) -> bool:
    """Check whether every table is empty."""
    return not any(session.execute(text(f"SELECT 1 FROM {name} LIMIT 1")).first() for name in _present(session))


@contextmanager
def loading(session: Session) -> Iterator[None]:
    """Disable triggers and circular foreign keys for the block: the triggers are for changes, not for restored rows."""
    present = _present(session)
    for name in present:
        session.execute(text(f"ALTER TABLE {name} DISABLE TRIGGER USER"))
    for constraint in _CIRCULAR:
        session.execute(DropConstraint(constraint))
    yield
    for constraint in _CIRCULAR:
        session.execute(AddConstraint(constraint))
    for name, table in present.items():
        session.execute(text(f"ALTER TABLE {name} ENABLE TRIGGER USER"))
        for column in table.columns:
            if column.identity:
                session.execute(
                    text(
                        f"SELECT setval(pg_get_serial_sequence('{name}', '{column.name}'), max({column.name})) "
                        f"FROM {name} HAVING max({column.name}) IS NOT NULL"
                    )
                )


def _present(session: Session) -> dict[str, Table]:
    """Return the existing tables by name: a restored backup may have an older schema."""
    existing = set(inspect(session).get_table_names())
    return {name: table for name, table in _TABLES.items() if name in existing}


def read(session: Session, name: str, file_columns: Sequence[str], file: BinaryIO) -> int:
    """Load rows that `write` wrote; return their number. file_columns: their columns, in order."""
    table_columns = columns(name)
    names = _listed([column for column in file_columns if column in table_columns])
    with _cursor(session) as cursor:
        cursor.copy_expert(f"COPY {name} ({names}) FROM STDIN", file)
        return int(cursor.rowcount)


@contextmanager
def _cursor(session: Session) -> Iterator[Any]:
    """Open a cursor of the driver, and translate its errors, which bypass SQLAlchemy, to `UnavailableError`."""
    try:
        with no_deadlines(), session.connection.cursor() as cursor:  # type: ignore[attr-defined]
            yield cursor
    except psycopg2.Error as error:
        reason = str(error).strip().partition("\n")[0]
        raise UnavailableError(Code.DATABASE_UNAVAILABLE, f"Cannot copy rows: {reason}") from error


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
