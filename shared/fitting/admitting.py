"""Admission of fits: room in the queue, and the quota of open jobs per key."""

import math
from collections import Counter
from collections.abc import Mapping
from datetime import datetime

from shared.errors import BusyError, Code
from shared.settings import Settings
from shared.store import admissions
from shared.store.engine import Sessions
from shared.wording import counted

RATE_WINDOW_S = 60
MAX_RETRY_AFTER_S = 600


def admit(sessions: Sessions, settings: Settings, requested: int) -> tuple[datetime, int]:
    """Return when the accept window began, by the database's clock, and how many of the `requested` fits have room."""
    max_jobs, max_bytes = settings.max_queued_jobs, settings.max_queued_bytes
    with sessions.statement() as session:
        admission = admissions.admission(session, max_jobs)
    room = max_jobs - admission.open_jobs if admission.open_bytes < max_bytes else 0
    return admission.admitted_at, min(max(room, 0), requested)


def over_quota(sessions: Sessions, settings: Settings, owners: Mapping[int, str]) -> dict[int, BusyError]:
    """Return an error, by index, for each fit that exceeds MAX_QUEUED_JOBS_PER_KEY. owners: key ids by index."""
    max_jobs = settings.max_queued_jobs_per_key
    if not (max_jobs and owners):
        return {}
    with sessions.begin() as session:
        open_jobs = Counter(admissions.open_of_keys(session, set(owners.values())))
    rejected = {}
    for index, key_id in owners.items():
        open_jobs[key_id] += 1
        if open_jobs[key_id] > max_jobs:
            message = (
                f"This key has {counted(max_jobs, 'open job')}, the limit (MAX_QUEUED_JOBS_PER_KEY). "
                "Open jobs continue; retry when some have ended."
            )
            rejected[index] = BusyError(Code.QUEUE_FULL, message, retry_after_s=5)
    return rejected


def queue_full(sessions: Sessions, settings: Settings) -> BusyError:
    """Create the error for a full queue; `retry_after_s` is how long 5 % of its jobs take at the last minute's rate."""
    with sessions.begin() as session:
        waiting = admissions.admission(session, settings.max_queued_jobs).open_jobs
        finished = admissions.recently_finished(session, RATE_WINDOW_S)
    wait_s = math.ceil(waiting / 20 * RATE_WINDOW_S / max(finished, 1))
    return BusyError(
        Code.QUEUE_FULL,
        f"The queue is full (MAX_QUEUED_JOBS or MAX_QUEUED_BYTES): {counted(waiting, 'open job')}. "
        "Open jobs continue; retry later.",
        retry_after_s=min(max(wait_s, 1), MAX_RETRY_AFTER_S),
    )
