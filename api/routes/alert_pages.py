"""The pages of alerts: a list with filters, and one alert."""

from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.alerting.days import days_around
from api.alerting.facets import facets, total
from api.alerting.rows import LISTED_LENGTHS, rows_of
from api.alerting.story import SEEN_DAYS, tell
from api.dependencies import CallerOf, ServicesOf
from api.openapi import page_route
from api.pages import render
from api.pages.writing import date
from api.routes.selecting import AlertId, Selection, find_alert
from api.schemas.watching import sentence_of
from shared.domain.access import Scope
from shared.store import alerts, overviews
from shared.store.alert_filters import AlertFilter
from shared.store.alerts import StoredAlert

router = APIRouter(tags=["pages"])

ALERTS_PER_PAGE = 100
MAX_PAGE = 1_000
MAX_COUNTED = 10_000  # alerts that are not closed, and as many closed ones


@router.get("/ui/alerts", **page_route(scope=Scope.READ))
def alerts_page(
    request: Request,
    services: ServicesOf,
    selection: Selection,
    page: Annotated[int, Query(ge=1, le=MAX_PAGE, description="Number of the page")] = 1,
) -> Response:
    """Show alerts, newest first, with filters that count them."""
    offset = ALERTS_PER_PAGE * (page - 1)
    with services.sessions.begin() as session:
        found = alerts.page(session, selection, ALERTS_PER_PAGE + 1, offset=offset)
        listed = [stored for stored, _ in found[:ALERTS_PER_PAGE]]
        rows = rows_of(session, listed, LISTED_LENGTHS, with_week=False)
        counted = overviews.counts(session, selection, MAX_COUNTED)
        days = days_around(session, selection, datetime.now(UTC))
    shown = offset + len(listed)
    chosen = _chosen(selection)
    return render(
        request,
        "alerts.html",
        now=datetime.now(UTC),
        rows=rows,
        facets=facets(counted, selection),
        days=days,
        chosen=chosen,
        query=urlencode(chosen),
        link=lambda **changes: _link(chosen, changes),
        page=page,
        first=offset + 1,
        last=shown,
        total=max(total(counted, selection), shown),
        has_more=len(found) > ALERTS_PER_PAGE,
        is_capped=sum(row.alerts for row in counted) >= MAX_COUNTED,
    )


@router.get("/ui/alerts/{alert_id}", **page_route(scope=Scope.READ))
def alert_page(request: Request, services: ServicesOf, caller: CallerOf, alert_id: AlertId) -> Response:
    """Show one alert: what, since when, how bad, what else, and whether it happened before."""
    stored = find_alert(services, caller.series_prefix, alert_id)
    with services.sessions.begin() as session:
        story = tell(session, stored, caller.series_prefix)
    return render(
        request,
        "alert.html",
        now=datetime.now(UTC),
        story=story,
        stored=stored,
        alert=stored.alert,
        sentence=_sentence(stored),
        seen_days=SEEN_DAYS,
    )


def _sentence(stored: StoredAlert) -> str:
    """Return the sentence without the id of the series, which is the title of the page."""
    if stored.series_id is None:
        return sentence_of(stored)
    sentence = sentence_of(stored).removeprefix(stored.series_id).strip()
    return sentence[:1].upper() + sentence[1:]


def _chosen(selection: AlertFilter) -> dict[str, str]:
    """Return the filters of the page, as in its URL."""
    names = ("status", "handling", "review", "kind", "watch", "series_id", "prefix")
    chosen = {name: str(value) for name in names if (value := getattr(selection, name)) is not None}
    return chosen if selection.began is None else chosen | {"began": date(selection.began)}


def _link(chosen: dict[str, str], changes: dict[str, Any]) -> str:
    """Return the query of this page with other filters; None removes one."""
    query = {name: value for name, value in (chosen | changes).items() if value is not None}
    return f"ui/alerts?{urlencode(query)}" if query else "ui/alerts"
