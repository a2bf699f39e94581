"""Whether there is room for fits: in the queue, and in what a key may have open."""

import math
from collections import Counter
from collections.abc import Mapping
from datetime import datetime

from api.services import Services
from shared.errors import BusyError, Code
from shared.store import admissions

DRAIN_MEASURED_OVER_S = 60
LONGEST_RETRY_AFTER_S = 600


def admit(services: Services, wanted: int) -> tuple[datetime, int]:
    """When the accept window of these fits began, and how many of them the queue has room for."""
    most_jobs, most_bytes = services.settings.max_queued_jobs, services.settings.max_queued_bytes
    with services.sessions.statement() as session:
        admission = admissions.admission(session, most_jobs)
    room = most_jobs - admission.open_jobs if admission.open_bytes < most_bytes else 0
    return admission.asked_at, min(max(room, 0), wanted)


def check_quota(services: Services, api_key_id: str) -> None:
    """Raise `BusyError` when the key has as many open jobs as it may."""
    for refusal in over_quota(services, {0: api_key_id}).values():
        raise refusal


def over_quota(services: Services, owners: Mapping[int, str]) -> dict[int, BusyError]:
    """The refusals, by place, where keys would have more open jobs than they may."""
    most = services.settings.max_queued_jobs_per_key
    if not (most and owners):
        return {}
    with services.sessions.begin() as session:
        taken = Counter(admissions.open_of_keys(session, set(owners.values())))
    refused = {}
    for place, key_id in owners.items():
        taken[key_id] += 1
        if taken[key_id] > most:
            sentence = f"This key has {most:,} open jobs, which is as many as it may. Those are unaffected."
            refused[place] = BusyError(Code.QUEUE_FULL, sentence, retry_after_s=5)
    return refused


def queue_full(services: Services) -> BusyError:
    """The refusal, with the time that a twentieth of the queue takes at the pace of the last minute."""
    with services.sessions.begin() as session:
        waiting = admissions.admission(session, services.settings.max_queued_jobs).open_jobs
        finished = admissions.finished_lately(session, DRAIN_MEASURED_OVER_S)
    wait_s = math.ceil(waiting / 20 * DRAIN_MEASURED_OVER_S / max(finished, 1))
    return BusyError(
        Code.QUEUE_FULL,
        f"{waiting:,} fits are waiting already: as many, or with as much data, as may. Those are unaffected.",
        retry_after_s=min(max(wait_s, 1), LONGEST_RETRY_AFTER_S),
    )
