"""Watches: read all, put, pause and delete them."""

import json
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.exc import IntegrityError

from shared.domain.watching.watches import Watch, parse
from shared.errors import Code, NotFoundError, TsadError
from shared.store.engine import Session

_COLUMNS = "SELECT name, prefix, document, paused, revision FROM watches"
_ALL = text(f"{_COLUMNS} ORDER BY name")
_ONE = text(f"{_COLUMNS} WHERE name = :name")
# A revision is the time of the change, so that a name that is deleted and used again has another one.
_REVISION = "greatest(CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint), w.revision + 1)"
_PUT = text(f"""
INSERT INTO watches AS w (name, prefix, document, paused, revision)
VALUES (:name, :prefix, CAST(:document AS jsonb), :paused,
        CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint))
ON CONFLICT (name) DO UPDATE
   SET prefix = excluded.prefix, document = excluded.document, revision = {_REVISION}
 WHERE (w.prefix, w.document) IS DISTINCT FROM (excluded.prefix, excluded.document)
""")
_PAUSE = text(f"UPDATE watches w SET paused = :paused, revision = {_REVISION} WHERE name = :name AND paused <> :paused")
_FREE_PREFIX = text("UPDATE watches SET prefix = '..' || gen_random_uuid() WHERE name = :name")  # no id has two dots
_DELETE = text("DELETE FROM watches WHERE name = :name RETURNING 1")
_PREFIX = "watches_prefix_key"
_ANY_WINDOW_S = 1e12


def read(session: Session) -> list[Watch]:
    """Return all watches, ordered by name."""
    return [_watch(row) for row in session.execute(_ALL)]


def find(session: Session, name: str) -> Watch:
    """Return a watch; raise `NotFoundError` if it does not exist."""
    watch = named(session, name)
    if watch is None:
        raise not_found()
    return watch


def named(session: Session, name: str) -> Watch | None:
    """Return a watch, or None if it does not exist."""
    row = session.execute(_ONE, {"name": name}).first()
    return None if row is None else _watch(row)


def not_found() -> NotFoundError:
    """Create the error for a watch that does not exist."""
    return NotFoundError(Code.WATCH_NOT_FOUND, "There is no watch with this name. GET /watches lists all.")


def put(session: Session, watch: Watch) -> None:
    """Create or change a watch. If it exists, it stays paused or not. Raise `TsadError` if its prefix is taken."""
    document = json.dumps(watch.document())
    row = {"name": watch.name, "prefix": watch.prefix, "document": document, "paused": watch.paused}
    try:
        session.execute(_PUT, row)
    except IntegrityError as error:
        if _PREFIX in str(error.orig):
            sentence = f"Another watch has the prefix {watch.prefix!r}. Change that one, or choose a longer prefix."
            raise TsadError(Code.PREFIX_TAKEN, sentence) from None
        raise


def free_prefix(session: Session, name: str) -> None:
    """Let a watch give up its prefix until `put` gives it another one, in the same transaction."""
    session.execute(_FREE_PREFIX, {"name": name})


def pause(session: Session, name: str, *, paused: bool) -> None:
    """Pause or resume a watch. Doing so again changes nothing."""
    session.execute(_PAUSE, {"name": name, "paused": paused})


def delete(session: Session, name: str) -> bool:
    """Delete a watch, whose alerts the caller has closed; return False if it does not exist."""
    return session.execute(_DELETE, {"name": name}).first() is not None


def _watch(row: Row[Any]) -> Watch:
    document = row.document | {"prefix": row.prefix}
    return parse(row.name, document, max_window_s=_ANY_WINDOW_S, paused=row.paused, revision=row.revision, stored=True)
