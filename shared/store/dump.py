"""All rows as text, table by table, and back: for backups."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO

import psycopg2
from sqlalchemy import ForeignKeyConstraint, Table, inspect, text
from sqlalchemy.schema import AddConstraint, DropConstraint

from shared.errors import Code, UnavailableError
from shared.store.engine import Session
from shared.store.tables import metadata

_ONE_MOMENT = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
_TABLES = {table.name: table for table in metadata.sorted_tables}
# What refers to rows that are loaded later.
_CIRCULAR = [
    constraint
    for table in metadata.sorted_tables
    for constraint in table.constraints
    if isinstance(constraint, ForeignKeyConstraint) and constraint.use_alter
]


class Digest:
    """A file whose bytes are counted in a sha256 as they pass."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()

    def write(self, content: bytes) -> int:
        """Write and count."""
        self.sha256.update(content)
        return self._file.write(content)


def see_one_moment(session: Session) -> None:
    """Make the transaction, which has only begun, read everything as of now."""
    session.execute(_ONE_MOMENT)


def table_names() -> Iterable[str]:
    """In an order in which they can be loaded."""
    return _TABLES


def columns(name: str) -> list[str]:
    """Of a table."""
    return [column.name for column in _TABLES[name].columns]


def write(session: Session, name: str, file: Digest) -> int:
    """Write the rows of a table, in COPY's text format; how many."""
    with _cursor(session) as cursor:
        cursor.copy_expert(f"COPY {name} ({_listed(columns(name))}) TO STDOUT", file)
        return int(cursor.rowcount)


def is_empty(session: Session) -> bool:
    """Whether no table holds a row."""
    return not any(session.execute(text(f"SELECT 1 FROM {name} LIMIT 1")).first() for name in _present(session))


@contextmanager
def loading(session: Session) -> Iterator[None]:
    """Let rows in as they are: the guards judge how rows change, and these only come back."""
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
    """Tables that there are: the schema may still be an older one, that of a backup."""
    there = set(inspect(session).get_table_names())
    return {name: table for name, table in _TABLES.items() if name in there}


def read(session: Session, name: str, of: Sequence[str], file: BinaryIO) -> int:
    """Load rows that `write` wrote, with the columns they had then; how many."""
    known = columns(name)
    with _cursor(session) as cursor:
        cursor.copy_expert(f"COPY {name} ({_listed([column for column in of if column in known])}) FROM STDIN", file)
        return int(cursor.rowcount)


@contextmanager
def _cursor(session: Session) -> Iterator[Any]:
    """The driver's own, which SQLAlchemy does not watch over."""
    try:
        with session.connection.cursor() as cursor:  # type: ignore[attr-defined]
            yield cursor
    except psycopg2.Error as error:
        reason = str(error).strip().partition("\n")[0]
        raise UnavailableError(Code.DATABASE_UNAVAILABLE, f"Rows cannot be copied: {reason}") from error


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
