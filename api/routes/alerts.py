"""Alerts: list, follow and acknowledge them."""

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from api.dependencies import CallerOf, Cursor, Limit, ServicesOf, answer
from api.following import alerts as feed
from api.openapi import operation
from api.routes.cursors import alert_cursor, alert_place_of, split_page
from api.schemas.times import Moment
from api.schemas.watching import AlertAnswer, AlertPage
from api.services import Services
from shared.domain.access import Scope
from shared.domain.series import check_series_id
from shared.domain.watching.alerts import AlertStatus, Kind
from shared.errors import Code, NotFoundError
from shared.store import alerts
from shared.store.alerts import AlertFilter, StoredAlert

router = APIRouter(tags=["alerts"])

FIRST_OF_FEED = 50


def _selection(
    caller: CallerOf,
    series_id: Annotated[str | None, Query(description="Only alerts of this series")] = None,
    prefix: Annotated[
        str | None, Query(max_length=128, pattern=r"^[A-Za-z0-9._-]*$", description="Only series with this id prefix")
    ] = None,
    watch: Annotated[
        str | None, Query(pattern=r"^[A-Za-z0-9._-]{1,100}$", description="Only alerts of this watch")
    ] = None,
    status: Annotated[AlertStatus | None, Query(description="Only alerts with this status")] = None,
    kind: Annotated[Kind | None, Query(description="Only alerts of this kind")] = None,
) -> AlertFilter:
    return AlertFilter(
        series_id=None if series_id is None else check_series_id(series_id),
        prefix=prefix or None,
        watch=watch,
        status=status,
        kind=kind,
        visible_prefix=caller.series_prefix or None,
    )


def _alert_id(alert_id: str) -> str:
    try:
        return str(UUID(alert_id))
    except ValueError:
        raise _not_found() from None


Selection = Annotated[AlertFilter, Depends(_selection)]
AlertId = Annotated[str, Depends(_alert_id)]


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
    dated = AlertFilter(
        selection.series_id, selection.prefix, selection.watch, selection.status, selection.kind, from_, to,
        selection.visible_prefix,
    )  # fmt: skip
    with services.sessions.begin() as session:
        rows = alerts.page(session, dated, limit + 1, older_than)
    page, last = split_page(rows, limit)
    next_cursor = alert_cursor(last[1]) if last else None
    return answer(AlertPage([AlertAnswer.of(stored) for stored, _ in page], next_cursor))


@router.get("/alerts/events", **operation("text/event-stream", scope=Scope.READ))
async def stream_alerts(services: ServicesOf, caller: CallerOf, selection: Selection) -> Response:
    """Follow alerts as server-sent events: the newest ones, then each that changes."""
    stream = services.alert_feed.stream(selection)
    current = await services.lanes.requests(_newest, services, selection)
    return feed.respond(stream, current, partial(services.keyring.is_valid, caller))


@router.get("/alerts/{alert_id}", **operation(AlertAnswer, scope=Scope.READ))
def get_alert(services: ServicesOf, caller: CallerOf, alert_id: AlertId) -> Response:
    """Return one alert."""
    return answer(AlertAnswer.of(_find(services, caller.series_prefix, alert_id)))


@router.post("/alerts/{alert_id}/acknowledge", **operation(AlertAnswer, scope=Scope.WRITE))
def acknowledge(services: ServicesOf, caller: CallerOf, alert_id: AlertId) -> Response:
    """Record that somebody takes care of an alert. Acknowledging it again changes nothing."""
    _find(services, caller.series_prefix, alert_id)
    with services.sessions.begin() as session:
        alerts.acknowledge(session, alert_id, caller.key_id)
    return answer(AlertAnswer.of(_find(services, caller.series_prefix, alert_id)))


def _find(services: Services, visible_prefix: str, alert_id: str) -> StoredAlert:
    selection = AlertFilter(visible_prefix=visible_prefix or None)
    with services.sessions.begin() as session:
        found = alerts.find(session, [alert_id], selection).get(alert_id)
    if found is None:
        raise _not_found()
    return found


def _newest(services: Services, selection: AlertFilter) -> list[StoredAlert]:
    with services.sessions.begin() as session:
        return [stored for stored, _ in reversed(alerts.page(session, selection, FIRST_OF_FEED))]


def _not_found() -> NotFoundError:
    return NotFoundError(
        Code.ALERT_NOT_FOUND, "There is no such alert. Closed alerts are deleted after KEEP_ALERTS_DAYS."
    )
