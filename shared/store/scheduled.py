"""Automatic fits that streams are due for."""

from typing import NamedTuple

from sqlalchemy import text

from shared.store.engine import Session

_DUE = text("""
SELECT no, series_id, points, fit_at_points FROM streams
 WHERE fit_due_at IS NOT NULL AND deleted_at IS NULL ORDER BY fit_due_at LIMIT :limit
""")
_SETTLE = text("""
UPDATE streams SET fit_at_points = :at_points, fit_due_at = NULL
 WHERE no = :no AND fit_at_points IS NOT DISTINCT FROM :slot
""")


class DueFit(NamedTuple):
    """A stream that is due for an automatic fit."""

    no: int
    series_id: str
    points: int
    fit_at_points: int  # its slot: one job for each


def due(session: Session, limit: int) -> list[DueFit]:
    """Return streams that are due for a fit, longest due first."""
    return [DueFit(*row) for row in session.execute(_DUE, {"limit": limit})]


def settle(session: Session, fit: DueFit, at_points: int | None) -> None:
    """Record that a slot has its job. at_points: number of points that makes the next fit due; None: no further one."""
    session.execute(_SETTLE, {"no": fit.no, "slot": fit.fit_at_points, "at_points": at_points})
