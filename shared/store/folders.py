"""The marks of artifact folders, by which processes notice that the volume of a folder is not mounted."""

from sqlalchemy import text

from shared.store.engine import Session
from shared.store.locks import FOLDERS

_LOCK = text(f"SELECT pg_advisory_xact_lock({FOLDERS}, 0)")
_FIND = text("SELECT mark FROM artifact_folders WHERE location = :location")
_ADD = text("INSERT INTO artifact_folders (location, mark) VALUES (:location, :mark)")


def lock(session: Session) -> None:
    """Let one process at a time mark folders, until the end of the transaction."""
    session.execute(_LOCK)


def find(session: Session, location: str) -> str | None:
    """Return the mark of the folder at this path; None if no process has marked it."""
    return session.execute(_FIND, {"location": location}).scalar()


def add(session: Session, location: str, mark: str) -> None:
    """Store the mark of a folder."""
    session.execute(_ADD, {"location": location, "mark": mark})
