"""The pages of the service: all series, all jobs, one job, one series."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api import samples
from api.alerting.rows import open_now
from api.charts.live import live_chart
from api.dependencies import CallerOf, Cursor, SeriesId, ServicesOf, answer
from api.intake.answering import stream_answer
from api.openapi import page_route
from api.pages import render
from api.pages.timeline import timeline
from api.routes.cursors import job_cursor, place_of, series_place, series_query, split_page, version_limit
from api.routes.finding import JobId, check_exists, find_job
from api.schemas.answers import StreamAnswer
from api.services import LEARNING_SHOWN, Services
from shared.domain import detectors
from shared.domain.access import Scope
from shared.domain.jobs import Job, Status
from shared.domain.series import check_series_id
from shared.domain.versions import SeriesSummary
from shared.errors import Code, NotFoundError
from shared.store import admissions, jobs, listing, overviews, scheduled, streams, versions
from shared.store import series as series_store
from shared.store.engine import Session
from shared.store.jobs import JobFilter, Place
from shared.store.listing import Order
from shared.store.streams import Stream
from shared.telemetry import Kind, Latency

router = APIRouter(tags=["pages"])

SERIES_PER_PAGE, JOBS_PER_PAGE, VERSIONS_PER_PAGE = 100, 100, 10
MAX_PAGE = 1_000_000
_PART_OF_ID = re.compile(r"[A-Za-z0-9._-]{0,128}")
JOBS_OF_SERIES = 10  # on the pages of a job and of a series
RUNNING_SHOWN, FAILED_SHOWN = 8, 5
LEAST_REFRESH_S, MOST_REFRESH_S = 5, 60
MAX_COUNTED = 10_000  # jobs: an exact count beyond this is not worth the time

_TITLES = {Kind.INFERENCE: "Prediction", Kind.TRAINING: "Fit"}


@router.get("/", **page_route(scope=Scope.READ))
def start(
    request: Request,
    services: ServicesOf,
    caller: CallerOf,
    contains: Annotated[str, Query(max_length=200, description="Only series whose id contains this")] = "",
    sort: Annotated[Order, Query(description="Order of the series")] = Order.ID,
    page: Annotated[int, Query(ge=1, le=MAX_PAGE, description="Number of the page")] = 1,
    toward: Annotated[Literal["", "after", "before"], Query(description="Where this page is from a series")] = "",
    id_: Annotated[str, Query(alias="id", max_length=200, description="Id of that series")] = "",
    key: Annotated[str, Query(max_length=100, description="What that series is sorted by, besides its id")] = "",
) -> Response:
    """Show the start page: series with their latest versions, running and failed jobs, latencies."""
    contains = contains.strip()
    is_possible = bool(_PART_OF_ID.fullmatch(contains))
    trained = services.series_trained.read(caller.series_prefix)
    offset = SERIES_PER_PAGE * (page - 1)
    place = series_place(sort, id_, key) if toward and page > 1 else None
    where: dict[str, Any] = {toward: place} if place else {"offset": offset}
    with services.sessions.begin() as session:
        if contains and is_possible:
            matching = listing.count_matching(session, contains, caller.series_prefix)
        else:
            matching = trained if is_possible else 0
        summaries = (
            listing.listing(session, contains, sort, SERIES_PER_PAGE, caller.series_prefix, **where)
            if is_possible
            else []
        )
        open_jobs = admissions.admission(session, MAX_COUNTED).open_jobs
        running = jobs.page(
            session, JobFilter(status=Status.RUNNING, visible_prefix=caller.series_prefix), None, RUNNING_SHOWN
        )
        failed = jobs.page(
            session, JobFilter(status=Status.FAILED, visible_prefix=caller.series_prefix), None, FAILED_SHOWN
        )
        now_open = open_now(session, caller.series_prefix)
        learning = _learning(services, session, caller.series_prefix, contains) if is_possible and page == 1 else []
        last_closed = None if now_open.groups else overviews.last_closed(session, caller.series_prefix)
    shown = offset + len(summaries)
    query = {"sort": str(sort)} | ({"contains": contains} if contains else {})
    return render(
        request,
        "start.html",
        now=datetime.now(UTC),
        url=request.base_url,
        contains=contains,
        sort=sort,
        page=page,
        previous=_beside(query, "before", sort, page - 1, summaries[:1]) if page > 1 else "",
        next=_beside(query, "after", sort, page + 1, summaries[-1:]) if shown < matching else "",
        series=summaries,
        learning=learning[:LEARNING_SHOWN],
        has_more_learning=len(learning) > LEARNING_SHOWN,
        first=offset + 1,
        last=shown,
        matching=max(matching, shown),  # counted up to some seconds ago
        trained=trained,
        now_open=now_open,
        last_closed=last_closed,
        streams=services.streams_now.read(caller.series_prefix),
        open_jobs=open_jobs,
        max_counted=MAX_COUNTED,
        max_bytes=services.settings.max_body_bytes,
        latencies=_latencies(services),
        running=_jobs(running),
        failed=_jobs(failed),
    )


def _learning(
    services: Services, session: Session, visible_prefix: str, contains: str
) -> list[tuple[str, StreamAnswer]]:
    """Return streams without a version, whose ids contain this text, with what they are waiting for."""
    if contains:
        ids = streams.learning(session, "", "", LEARNING_SHOWN + 1, visible_prefix, contains)
    else:
        ids = services.learning_now.read(visible_prefix)  # read some seconds ago
    live = streams.read(session, ids)
    rules = services.ingest.rulebook.current()
    return [
        (series_id, stream_answer(live[series_id], rules, services.settings)) for series_id in ids if series_id in live
    ]


@router.get("/ui/jobs", **page_route(scope=Scope.READ))
def jobs_page(
    request: Request,
    services: ServicesOf,
    caller: CallerOf,
    status: Annotated[Status | None, Query(description="Only jobs with this status")] = None,
    series_id: Annotated[str, Query(max_length=200, description="Only jobs of this series")] = "",
    cursor: Cursor = None,
) -> Response:
    """Show jobs, newest first, and update them live."""
    selection = JobFilter(
        check_series_id(series_id) if series_id.strip() else None, status, visible_prefix=caller.series_prefix
    )
    with services.sessions.begin() as session:
        rows = jobs.page(session, selection, place_of(cursor or None), JOBS_PER_PAGE + 1)
        counts = jobs.counts(session, selection, MAX_COUNTED)
    page, last = split_page(rows, JOBS_PER_PAGE)
    filters = {"status": selection.status, "series_id": selection.series_id}
    return render(
        request,
        "jobs.html",
        now=datetime.now(UTC),
        counts=counts,
        max_counted=MAX_COUNTED,
        status=selection.status or "",
        series_id=selection.series_id or "",
        query=urlencode({name: value for name, value in filters.items() if value}),
        cursor=cursor,
        jobs=_jobs(page),
        more=job_cursor(last[1]) if last else None,
    )


@router.get("/ui/jobs/{job_id}", **page_route(scope=Scope.READ))
def job_page(request: Request, services: ServicesOf, caller: CallerOf, job_id: JobId) -> Response:
    """Show one job: its request and its outcome."""
    job = find_job(services, caller, job_id)
    with services.sessions.begin() as session:
        others = jobs.page(session, JobFilter(job.series_id), None, JOBS_OF_SERIES)
    return render(request, "job.html", now=datetime.now(UTC), job=job, others=_jobs(others))


@router.get("/ui/series/{series_id}", **page_route(scope=Scope.READ))
def series_page(
    request: Request,
    services: ServicesOf,
    series_id: SeriesId,
    days: Annotated[int | None, Query(ge=1, le=366, description="Days of the chart of stored points")] = None,
    cursor: Cursor = None,
) -> Response:
    """Show one series: its newest stored points, its versions, the changes between them, and its newest jobs."""
    below, now = version_limit(cursor), datetime.now(UTC)
    with services.sessions.begin() as session:
        summary = series_store.find(session, series_id)
        stream = streams.read(session, [series_id]).get(series_id)
        check_exists(session, series_id, summary, stream)
        schedule = scheduled.find(session, series_id) if stream else None
        chart = live_chart(session, stream, days, int(now.timestamp())) if stream else None
        rows = versions.page(session, series_id, below, VERSIONS_PER_PAGE + 1)
        newest = _jobs(jobs.page(session, JobFilter(series_id), None, JOBS_OF_SERIES))
    entries, last = split_page(timeline(rows, services.bands), VERSIONS_PER_PAGE)
    return render(
        request,
        "series.html",
        now=now,
        series_id=series_id,
        stream=stream_answer(stream, services.ingest.rulebook.current(), services.settings) if stream else None,
        refresh_s=_refresh_s(stream) if stream else None,
        live_chart=chart,
        schedule=schedule,
        summary=summary,
        entries=entries,
        cursor=cursor,
        more=last.version.version if last else None,
        jobs=newest,
        fit_detector=summary.detector if summary and summary.detector in detectors.registry() else "auto",
    )


@router.get("/ui/samples/{name}", include_in_schema=False)
def sample(name: str) -> Response:
    """The body of a fit, for a series that ships with the project."""
    if name not in samples.NAMES:
        raise NotFoundError(Code.ROUTE_NOT_FOUND, f"There is no such sample. Available: {', '.join(samples.NAMES)}.")
    loaded = samples.load(name)
    return answer({"timestamps": loaded.timestamps, "values": loaded.values})


def _beside(query: dict[str, str], toward: str, sort: Order, page: int, edge: list[SeriesSummary]) -> str:
    """Return the query string of the page before or after this one. edge: the series next to it, if there is one."""
    place = series_query(listing.place_of(edge[0], sort)) | {"toward": toward} if edge and page > 1 else {}
    return urlencode(query | {"page": str(page)} | place)


def _refresh_s(stream: Stream) -> int:
    """Return after how many seconds the page of a series looks for new points."""
    return round(min(max(stream.usual_step_s or 0, LEAST_REFRESH_S), MOST_REFRESH_S))


def _latencies(services: Services) -> dict[str, Latency]:
    """Return latencies by title; empty while Redis is unavailable."""
    latencies = services.latencies.read()
    if latencies is None:
        return {}
    return {title: latencies[kind] for kind, title in _TITLES.items()}


def _jobs(rows: Sequence[tuple[Job, Place]]) -> list[Job]:
    return [job for job, _ in rows]
