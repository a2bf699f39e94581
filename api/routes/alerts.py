"""Alerts: list, follow, acknowledge and review them."""

from dataclasses import replace
from typing import Annotated

import msgspec
from fastapi import APIRouter, Header, Query
from starlette.responses import Response

from api.dependencies import CallerOf, Content, Cursor, Limit, ServicesOf, StillAllowed, answer
from api.following import events
from api.following.alerts import RECENT_S
from api.openapi import operation
from api.routes.cursors import alert_cursor, alert_place_of, split_page
from api.routes.selecting import AlertId, Selection, find_alert
from api.schemas.decoding import decode
from api.schemas.times import Moment
from api.schemas.watching import AlertAnswer, AlertPage, ReviewBody
from api.services import Services
from shared.domain.access import Scope
from shared.store import alerts
from shared.store.alert_filters import AlertFilter
from shared.store.alerts import StoredAlert

router = APIRouter(tags=["alerts"])

FIRST_OF_FEED, MISSED_OF_FEED = 50, 10_000
PER_SECOND = 1_000_000  # an id of an event is the time of the change in microseconds
_REVIEW = msgspec.json.Decoder(ReviewBody)
_FIRST_ID = 10**15  # smaller numbers were revisions in earlier releases


@router.get("/alerts", **operation(AlertPage, scope=Scope.READ))
def list_alerts(
    services: ServicesOf,
    selection: Selection,
    from_: Annotated[
        Moment | None, Query(alias="from", description="Only alerts that lasted until this second")
    ] = None,
    to: Annotated[Moment | None, Query(description="Only alerts that began by this second")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """List alerts, newest first."""
    older_than = alert_place_of(cursor)
    dated = replace(selection, start=from_, end=to)
    with services.sessions.begin() as session:
        rows = alerts.page(session, dated, limit + 1, older_than)
    page, last = split_page(rows, limit)
    next_cursor = alert_cursor(last[1]) if last else None
    return answer(AlertPage([AlertAnswer.of(stored) for stored, _ in page], next_cursor))


@router.get("/alerts/events", **operation("text/event-stream", scope=Scope.READ))
async def stream_alerts(
    services: ServicesOf,
    caller: CallerOf,
    is_allowed: StillAllowed,
    selection: Selection,
    last_event_id: Annotated[
        str, Header(alias="Last-Event-ID", description="Id of the last event that the client has received")
    ] = "",
) -> Response:
    """Follow alerts as server-sent events: the newest 50, then each that changes.

    With `Last-Event-ID`, the feed begins with everything that changed since that event, at most 10,000 alerts. Changes
    of the seconds before it are sent again.
    """
    stream = services.alert_feed.stream(selection, caller.key_id)
    current = await services.lanes.requests(_current, services, selection, last_event_id)
    return events.respond(stream, current, is_allowed, _event)


@router.get("/alerts/{alert_id}", **operation(AlertAnswer, scope=Scope.READ))
def get_alert(services: ServicesOf, caller: CallerOf, alert_id: AlertId) -> Response:
    """Return one alert."""
    return answer(AlertAnswer.of(find_alert(services, caller.series_prefix, alert_id)))


@router.post("/alerts/{alert_id}/acknowledge", **operation(AlertAnswer, scope=Scope.WRITE))
def acknowledge(services: ServicesOf, caller: CallerOf, alert_id: AlertId) -> Response:
    """Record that somebody takes care of an alert. Acknowledging it again changes nothing."""
    find_alert(services, caller.series_prefix, alert_id)
    with services.sessions.begin() as session:
        alerts.acknowledge(session, alert_id, caller.key_id)
    return answer(AlertAnswer.of(find_alert(services, caller.series_prefix, alert_id)))


@router.put("/alerts/{alert_id}/review", **operation(AlertAnswer, scope=Scope.WRITE, body=ReviewBody))
def review_alert(services: ServicesOf, caller: CallerOf, alert_id: AlertId, content: Content) -> Response:
    """Record what an alert was, with a note that later alerts of the series show. Replaces an earlier review."""
    body = decode(_REVIEW, content)
    find_alert(services, caller.series_prefix, alert_id)
    with services.sessions.begin() as session:
        alerts.review(session, alert_id, body.review, body.note.strip(), caller.key_id)
    return answer(AlertAnswer.of(find_alert(services, caller.series_prefix, alert_id)))


def _current(services: Services, selection: AlertFilter, last_event_id: str) -> list[StoredAlert]:
    """Return the alerts with which a feed begins, in the order of their changes."""
    is_id = len(last_event_id) < 20 and last_event_id.isascii() and last_event_id.isdecimal()
    last = int(last_event_id) if is_id else 0
    with services.sessions.begin() as session:
        if _FIRST_ID <= last < 100 * _FIRST_ID:
            since = last / PER_SECOND - RECENT_S  # an earlier change may have been committed later
            return alerts.changed_since(session, since, selection, MISSED_OF_FEED)
        newest = [stored for stored, _ in alerts.page(session, selection, FIRST_OF_FEED)]
    return sorted(newest, key=lambda stored: stored.changed_at)


def _event(stored: StoredAlert) -> bytes:
    changed_us = round(stored.changed_at.timestamp() * PER_SECOND)
    return events.event("alert", changed_us, msgspec.json.encode(AlertAnswer.of(stored)))
