"""Deletion of stored points and alerts: by retention, and on request. All of it in batches, beside the load."""

import logging

from shared.domain.series import DAY_S
from shared.settings import Settings
from shared.store import alerts, deliveries, inspection, points, streams
from shared.store.engine import Sessions
from shared.store.streams import ToDelete

logger = logging.getLogger(__name__)

STREAMS_AT_A_TIME = 500
POINTS_AT_A_TIME = 10_000
ALERTS_AT_A_TIME = 500


def expire(sessions: Sessions, settings: Settings, clock: inspection.Clock = inspection.clock) -> int:
    """Delete points older than KEEP_POINTS_DAYS, except the newest of a series; return how many.

    Alerts and deliveries go after KEEP_ALERTS_DAYS.
    """
    with sessions.statement() as session:
        before = int(clock(session).timestamp() - settings.keep_points_days * DAY_S)
    deleted, after = 0, 0
    while True:
        with sessions.statement() as session:
            last, count = points.expire(session, after, before, STREAMS_AT_A_TIME)
        deleted += count
        if last is None:
            break
        after = last
    while True:
        with sessions.statement() as session:
            if alerts.prune(session, settings.keep_alerts_days, ALERTS_AT_A_TIME) < ALERTS_AT_A_TIME:
                break
    while True:
        with sessions.statement() as session:
            if deliveries.prune(session, settings.keep_alerts_days, ALERTS_AT_A_TIME) < ALERTS_AT_A_TIME:
                break
    if deleted:
        logger.info("points deleted after KEEP_POINTS_DAYS: %d", deleted)
    return deleted


def delete_requested(sessions: Sessions) -> int:
    """Delete the points of deleted series, and those before a time that a client gave; return how many."""
    deleted, after = 0, 0
    while True:
        with sessions.statement() as session:
            requested = streams.to_delete(session, after, STREAMS_AT_A_TIME)
        if not requested:
            return deleted
        for stream in requested:
            deleted += _delete(sessions, stream)
        after = requested[-1].no


def _delete(sessions: Sessions, stream: ToDelete) -> int:
    deleted = 0
    while True:
        with sessions.statement() as session:
            before = None if stream.is_deleted else stream.delete_before
            count = points.delete(session, stream.no, before, POINTS_AT_A_TIME)
            deleted += count
            if count < POINTS_AT_A_TIME:
                streams.points_deleted(session, stream)
                return deleted
