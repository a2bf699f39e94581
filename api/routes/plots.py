"""Charts of a version's training data: a page and a static picture."""

import hashlib
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from anyio import from_thread
from fastapi import APIRouter, Depends, Query, Request
from pydantic import WithJsonSchema
from starlette.responses import Response

from api.charts import figures, svg
from api.charts.anomalies import anomalies, count
from api.charts.facts import facts
from api.charts.histories import DEFAULT_SHOWN, SCALES, Excerpt, History
from api.dependencies import CallerOf, ServicesOf, visible
from api.openapi import operation, page_route
from api.pages import inside_script, render
from api.routes.finding import find_version
from api.schemas.parameters import ABOUT_VERSION, MOMENT_SCHEMA, SERIES_EXAMPLE, SERIES_ID_SCHEMA, VERSION_SCHEMA
from api.services import Services
from shared import __version__
from shared.domain.access import Scope
from shared.domain.detectors import named
from shared.domain.detectors.parameters import OFF
from shared.domain.series import LAST_TIMESTAMP, Series, check_series_id
from shared.domain.versions import Version, parse_version
from shared.domain.watching.watches import Watch
from shared.errors import Code, Flaw, InputError
from shared.store import series as series_store
from shared.store import versions

router = APIRouter(tags=["plots"])

FIGURE_S = 0.04  # expected time of a figure: small enough for both threads of the lane


def _queried_series(
    caller: CallerOf,
    series_id: Annotated[
        str, Query(description="Id of the series", examples=[SERIES_EXAMPLE]), WithJsonSchema(SERIES_ID_SCHEMA)
    ],
) -> str:
    return visible(check_series_id(series_id), caller)


QueriedSeries = Annotated[str, Depends(_queried_series)]
QueriedVersion = Annotated[str | None, Query(description=ABOUT_VERSION), WithJsonSchema(VERSION_SCHEMA)]


def _queried_span(
    from_: Annotated[
        datetime | None, Query(alias="from", description="First moment to show"), WithJsonSchema(MOMENT_SCHEMA)
    ] = None,
    to: Annotated[datetime | None, Query(description="Last moment to show"), WithJsonSchema(MOMENT_SCHEMA)] = None,
) -> tuple[int | None, int | None]:
    first, last = (None if moment is None else _seconds(moment) for moment in (from_, to))
    if first is not None and last is not None and first > last:
        sentence = "`to` must not be earlier than `from`."
        raise InputError(Code.INVALID_REQUEST, sentence, flaws=[Flaw(("query", "to"), sentence)])
    return first, last


QueriedSpan = Annotated[tuple[int | None, int | None], Depends(_queried_span)]


@router.get("/plot", **page_route(scope=Scope.READ))
def plot(
    request: Request,
    services: ServicesOf,
    caller: CallerOf,
    series_id: QueriedSeries,
    span: QueriedSpan,
    version: QueriedVersion = None,
    threshold: Annotated[
        float, Query(ge=SCALES[0], le=SCALES[-1], description="Threshold to try, as a multiple of the version's")
    ] = 1.0,
) -> Response:
    """Show a version's training data with the normal band and the flagged points."""
    resolved = find_version(services, series_id, parse_version(version))
    history = services.histories.of(resolved)
    excerpt = history.excerpt(0, LAST_TIMESTAMP, DEFAULT_SHOWN)
    shown = _inside(resolved, span)
    watch = services.ingest.rulebook.current().watch_of(series_id)
    script_data = _script_data(resolved, history, len(excerpt.timestamps))
    script_data["watch"] = (watch or Watch("", "")).document()
    has_band = not (np.isnan(excerpt.lower).all() and np.isnan(excerpt.upper).all())
    found = anomalies(history)
    figure = from_thread.run(services.lanes.computing, caller.key_id, FIGURE_S, figures.training_json, excerpt, shown)
    return render(
        request,
        "plot.html",
        section="series",
        version=resolved,
        watch=watch,
        figure=inside_script(figure),
        span=shown,
        is_part=shown != (resolved.first_timestamp, resolved.last_timestamp),
        anomalies=found,
        all_anomalies=count(history),
        scale=int(np.abs(SCALES - threshold).argmin()),
        about=inside_script(msgspec.json.encode(script_data).decode()),
        scales=script_data["scales"],
        has_band=has_band,
        detail=_detail(excerpt, has_band=has_band),
        flagged=excerpt.anomalies,
        max_bytes=services.settings.max_body_bytes,
        example=_example(history.series),
        facts=facts(resolved, history, has_band=has_band),
        **_neighbors(services, resolved),
    )


@router.get("/plot.svg", **operation("image/svg+xml", scope=Scope.READ))
def plot_svg(
    request: Request,
    services: ServicesOf,
    series_id: QueriedSeries,
    span: QueriedSpan,
    version: QueriedVersion = None,
    width: Annotated[int, Query(ge=200, le=4000, description="Width in pixels")] = 960,
    height: Annotated[int, Query(ge=120, le=2000, description="Height in pixels")] = 360,
    theme: Annotated[Literal["light", "dark"], Query(description="Colors")] = "light",
) -> Response:
    """Return the plot as a static picture, for chats, emails and wikis."""
    resolved = find_version(services, series_id, parse_version(version))
    first, last = _inside(resolved, span)
    inputs = f"{__version__} {resolved.scores.key} {resolved.version} {first} {last} {width} {height} {theme}"
    tag = f'"{hashlib.sha256(inputs.encode()).hexdigest()[:32]}"'
    headers = {"Cache-Control": "no-cache", "ETag": tag}  # cached but revalidated: another version may be the latest
    if tag in request.headers.get("If-None-Match", ""):
        return Response(status_code=304, headers=headers)
    excerpt = services.histories.of(resolved).excerpt(first, last, 2 * width)
    document = svg.training(resolved, excerpt, width, height, theme)
    return Response(document, media_type="image/svg+xml", headers=headers)


def _neighbors(services: Services, version: Version) -> dict[str, Any]:
    """Return the numbers of the previous, the next and the latest version."""
    with services.sessions.begin() as session:
        before, after = versions.neighbors(session, version.series_id, version.version)
        summary = series_store.find(session, version.series_id)
    return {"previous": before, "next": after, "latest": summary.latest_version if summary else version.version}


def _script_data(version: Version, history: History, shown: int) -> dict[str, Any]:
    """Return the data for the page's scripts; `shown` is the number of points in the figure."""
    alarm_rate = version.parameters.get("alarm_rate", OFF)
    return {
        "series_id": version.series_id,
        "version": version.version,
        "points": version.points,
        "first": version.first_timestamp,
        "last": version.last_timestamp,
        "shown": shown,
        "most_shown": DEFAULT_SHOWN,
        "stored": len(history.scores.score),
        "scales": SCALES.tolist(),
        "firing": history.firing,
        "threshold": version.learnt.get("threshold"),
        "is_parameter": "threshold" in version.parameters,
        "alarm_rate": None if alarm_rate == OFF else alarm_rate,
        "context_points": named(version.detector).context_points,
        "detector": version.detector,
        "parameters": version.parameters,
    }


def _detail(excerpt: Excerpt, *, has_band: bool) -> str:
    shown = len(excerpt.timestamps)
    band = "" if has_band else " There is no band: this detector scores stretches of values, not single values."
    if shown == excerpt.points:
        return f"All {shown:,} points are shown.{band}"
    return f"{shown:,} of {excerpt.points:,} points are shown, including every extreme. Zoom in for more.{band}"


def _example(series: Series) -> str:
    """Return two points to try, as lines: one with the last value, one a full range above the highest value."""
    last, value = int(series.timestamps[-1]), float(series.values[-1])
    outlier = 2 * float(series.values.max()) - float(series.values.min())
    interval = max(round((last - int(series.timestamps[0])) / max(len(series) - 1, 1)), 1)
    times = [datetime.fromtimestamp(min(last + interval * step, LAST_TIMESTAMP), UTC) for step in (1, 2)]
    return "\n".join(f"{at:%Y-%m-%dT%H:%M:%SZ},{shown:.6g}" for at, shown in zip(times, (value, outlier), strict=True))


def _inside(version: Version, span: tuple[int | None, int | None]) -> figures.Span:
    """Return the part of the span that has training data; all of the data if there is none."""
    first = max(version.first_timestamp, span[0] or 0)
    last = version.last_timestamp if span[1] is None else min(version.last_timestamp, span[1])
    return (first, last) if first < last else (version.first_timestamp, version.last_timestamp)


def _seconds(moment: datetime) -> int:
    """Return seconds since 1970. A time without offset is in UTC."""
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
