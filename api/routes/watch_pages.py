"""The pages of watches: all of them, and one with its rule and the streams that need attention."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.alerting.rows import LISTED_LENGTHS, Row, rows_of
from api.dependencies import CallerOf, ServicesOf
from api.intake.answering import status
from api.openapi import page_route
from api.pages import inside_script, render
from api.pages.rules import rule
from api.routes.finding import WatchName, find_watch
from api.services import Services
from shared.domain.access import Caller, Scope
from shared.domain.jobs import Job
from shared.domain.watching.alerts import AlertStatus
from shared.domain.watching.condition import complaint
from shared.domain.watching.watches import Watch
from shared.store import alerts, fetching, jobs, streams, watched, watches
from shared.store.alert_filters import AlertFilter
from shared.store.engine import Session
from shared.store.watched import Attention, Counts, Fits

router = APIRouter(tags=["pages"])

WATCHES_PER_PAGE, MAX_PAGE = 100, 1_000_000
RECENT_DAYS = 7
ATTENTION_SHOWN = 20  # of each kind
ALERTS_SHOWN = 10
SERIES_OFFERED = 100  # for a simulation


@dataclass(frozen=True, slots=True)
class Look:
    """A stream that needs attention, and why."""

    kind: str  # failed, refused, silent or learning
    series_id: str
    reason: str
    job: Job | None = None


@router.get("/ui/watches", **page_route(scope=Scope.READ))
def watches_page(
    request: Request,
    services: ServicesOf,
    caller: CallerOf,
    page: Annotated[int, Query(ge=1, le=MAX_PAGE, description="Number of the page")] = 1,
) -> Response:
    """Show the watches: how many streams each has, by status, and its alerts."""
    with services.sessions.begin() as session:
        visible = [watch for watch in watches.read(session) if caller.sees(watch.prefix)]
        counts = watched.counts(session, caller.series_prefix)
        recent = watched.recent_alerts(session, RECENT_DAYS)
        complaints = _complaints(session, caller)
    first = WATCHES_PER_PAGE * (page - 1)
    shown = visible[first : first + WATCHES_PER_PAGE]
    return render(
        request,
        "watches.html",
        now=datetime.now(UTC),
        url=request.base_url,
        page=page,
        first=first + 1,
        last=first + len(shown),
        number=len(visible),
        days=RECENT_DAYS,
        complaints=complaints,
        rows=[(watch, counts.get(watch.name, Counts()), recent.get(watch.name, 0)) for watch in shown],
    )


@router.get("/ui/watches/{name}", **page_route(scope=Scope.READ))
def watch_page(request: Request, services: ServicesOf, caller: CallerOf, name: WatchName) -> Response:
    """Show one watch: its rule, the streams that need attention, its alerts, and a simulation of the rule."""
    with services.sessions.begin() as session:
        watch = find_watch(session, caller, name)
        counts = watched.counts(session, watch.prefix).get(name, Counts())
        fits = watched.fits(session, [name]).get(name, Fits())
        attention = watched.attention(session, watch.prefix, ATTENTION_SHOWN + 1)
        looks = _looks(services, session, watch, attention)
        offered = watched.series_of(session, watch.prefix, SERIES_OFFERED)
        listed = _alerts(session, name)
    return render(
        request,
        "watch.html",
        now=datetime.now(UTC),
        watch=watch,
        rule=rule(watch),
        document=json.dumps(watch.document(), indent=1),
        counts=counts,
        fits=fits,
        looks=looks,
        more=_more(attention),
        most=ATTENTION_SHOWN,
        rows=listed,
        about=inside_script(json.dumps({"watch": watch.document()})),
        offered=offered,
        simulated=next((row.stored.series_id for row in listed if row.stored.series_id), offered[0] if offered else ""),
    )


def _complaints(session: Session, caller: Caller) -> list[str]:
    """Return what is wrong with sources, for callers who may configure them."""
    if Scope.ADMIN not in caller.scopes or caller.series_prefix:
        return []
    now = datetime.now(UTC)
    found = (complaint(condition, now) for condition in fetching.conditions(session, now))
    return [sentence for sentence in found if sentence]


def _looks(services: Services, session: Session, watch: Watch, attention: Attention) -> list[Look]:
    """Return at most `ATTENTION_SHOWN` streams of each kind with their reasons, failed and refused ones first."""
    found = jobs.find(session, attention.failed_jobs[:ATTENTION_SHOWN])
    shown = {"silent": attention.silent[:ATTENTION_SHOWN], "learning": attention.learning[:ATTENTION_SHOWN]}
    live = streams.read(session, [series_id for series_ids in shown.values() for series_id in series_ids])
    looks = [Look("failed", job.series_id, job.error_detail or "", job) for job in found.values()]
    refused = list(attention.refused.items())[:ATTENTION_SHOWN]
    looks += [Look("refused", series_id, detail) for series_id, detail in refused]
    for kind, series_ids in shown.items():
        looks += [
            Look(kind, series_id, status(live[series_id], watch, services.settings)[1])
            for series_id in series_ids
            if series_id in live
        ]
    return looks


def _more(attention: Attention) -> list[str]:
    """Return the kinds of streams of which the list has not all."""
    listed = {
        "with failed fits": attention.failed_jobs,
        "that cannot be fitted": attention.refused,
        "silent": attention.silent,
        "learning": attention.learning,
    }
    return [kind for kind, found in listed.items() if len(found) > ATTENTION_SHOWN]


def _alerts(session: Session, name: str) -> list[Row]:
    """Return the newest alerts of a watch: `ALERTS_SHOWN` of each status, open ones first."""
    found = [
        stored
        for each in AlertStatus
        for stored, _ in alerts.page(session, AlertFilter(watch=name, status=each), ALERTS_SHOWN)
    ]
    return rows_of(session, found, LISTED_LENGTHS, with_week=False)
