"""Announce the next job of a series after the previous one has ended."""

from collections.abc import Callable

from shared.errors import UnavailableError
from shared.store import jobs
from shared.store.engine import Sessions


def announce_next(sessions: Sessions, announce: Callable[[str], object], series_id: str) -> None:
    """Call `announce` with the id of the first queued job of the series, unless its message is in flight.

    Does nothing while the database is unavailable: the reconciler announces the job later.
    """
    try:
        with sessions.statement() as session:
            job_id = jobs.next_of_series(session, series_id)
    except UnavailableError:
        return
    if job_id:
        announce(job_id)
