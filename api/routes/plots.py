"""A version's training data as people look at it: a page and a static picture."""

import hashlib
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from fastapi import APIRouter, Depends, Query, Request
from markupsafe import Markup
from starlette.responses import Response

from api.charts import figures, pictures
from api.charts.histories import SCALES, USUALLY_SHOWN, Excerpt, History
from api.dependencies import CallerOf, ServicesOf, visible
from api.openapi import operation
from api.pages import render, writing
from api.predicting.resolving import parse_version
from api.routes.finding import find_version
from api.services import Services
from shared import __version__
from shared.domain.access import Scope
from shared.domain.detectors import named
from shared.domain.detectors.parameters import OFF
from shared.domain.series import LAST_TIMESTAMP, Series, check_series_id
from shared.domain.versions import Version
from shared.store import series as series_store
from shared.store import versions

router = APIRouter(tags=["pages"])


def _named(caller: CallerOf, series_id: Annotated[str, Query(description="The series")]) -> str:
    return visible(check_series_id(series_id), caller)


Named = Annotated[str, Depends(_named)]
Numbered = Annotated[str | None, Query(description="A version (3, v3); 0, latest or nothing for the latest")]


@router.get("/plot", **operation("text/html", scope=Scope.READ))
def plot(request: Request, services: ServicesOf, series_id: Named, version: Numbered = None) -> Response:
    """A version's training data with the normal band and the points it calls anomalous."""
    found = find_version(services, series_id, parse_version(version))
    history = services.histories.of(found)
    excerpt = history.excerpt(0, LAST_TIMESTAMP, USUALLY_SHOWN)
    about = _about(found, history, len(excerpt.timestamps))
    has_band = not (np.isnan(excerpt.lower).all() and np.isnan(excerpt.upper).all())
    return render(
        request,
        "plot.html",
        section="series",
        version=found,
        figure=_inside_script(figures.training(excerpt).to_json()),
        about=_inside_script(msgspec.json.encode(about).decode()),
        scales=about["scales"],
        has_band=has_band,
        detail=_detail(excerpt, has_band=has_band),
        marks=excerpt.anomalies,
        example=_example(history.series),
        facts=_facts(found),
        **_neighbours(services, found),
    )


@router.get("/plot.svg", **operation("image/svg+xml", scope=Scope.READ))
def picture(
    request: Request,
    services: ServicesOf,
    series_id: Named,
    version: Numbered = None,
    width: Annotated[int, Query(ge=200, le=4000, description="Pixels")] = 960,
    height: Annotated[int, Query(ge=120, le=2000, description="Pixels")] = 360,
    theme: Annotated[Literal["light", "dark"], Query(description="light or dark")] = "light",
) -> Response:
    """The same as a static picture, for chats, mails and wikis."""
    found = find_version(services, series_id, parse_version(version))
    looks = f"{__version__} {found.scores.key} {found.version} {width} {height} {theme}"
    tag = f'"{hashlib.sha256(looks.encode()).hexdigest()[:32]}"'
    headers = {"Cache-Control": "no-cache", "ETag": tag}  # kept, but asked for again: what is latest changes
    if tag in request.headers.get("If-None-Match", ""):
        return Response(status_code=304, headers=headers)
    excerpt = services.histories.of(found).excerpt(0, LAST_TIMESTAMP, 2 * width)
    drawn = pictures.training(found, excerpt, width, height, theme)
    return Response(drawn, media_type="image/svg+xml", headers=headers)


def _neighbours(services: Services, version: Version) -> dict[str, Any]:
    with services.sessions.begin() as session:
        before, after = versions.neighbors(session, version.series_id, version.version)
        summary = series_store.find(session, version.series_id)
    return {"previous": before, "next": after, "latest": summary.latest_version if summary else version.version}


def _about(version: Version, history: History, shown: int) -> dict[str, Any]:
    """What the scripts of the page have to know."""
    alarm_rate = version.parameters.get("alarm_rate", OFF)
    return {
        "series_id": version.series_id,
        "version": version.version,
        "points": version.points,
        "first": version.first_timestamp,
        "last": version.last_timestamp,
        "shown": shown,
        "most_shown": USUALLY_SHOWN,
        "stored": len(history.scores.score),
        "scales": SCALES.tolist(),
        "firing": history.firing,
        "threshold": version.learnt.get("threshold"),
        "is_parameter": "threshold" in version.parameters,
        "alarm_rate": None if alarm_rate == OFF else alarm_rate,
        "context_points": named(version.detector).context_points,
    }


def _detail(excerpt: Excerpt, *, has_band: bool) -> str:
    shown = len(excerpt.timestamps)
    band = "" if has_band else " There is no band: this detector judges stretches of values, not each by itself."
    if shown == excerpt.points:
        return f"All {shown:,} points are shown.{band}"
    return f"{shown:,} of {excerpt.points:,} points are shown, every extreme among them. Zoom in for finer ones.{band}"


def _example(series: Series) -> str:
    """Two points to try: one like the last, and one as far above the highest as the lowest is below."""
    last, value = int(series.timestamps[-1]), float(series.values[-1])
    far = 2 * float(series.values.max()) - float(series.values.min())
    interval = max(round((last - int(series.timestamps[0])) / max(len(series) - 1, 1)), 1)
    after = [datetime.fromtimestamp(min(last + interval * step, LAST_TIMESTAMP), UTC) for step in (1, 2)]
    return f"{after[0]:%Y-%m-%dT%H:%M:%SZ},{value:.6g}\n{int(after[1].timestamp())},{far:.6g}"


def _facts(version: Version) -> list[tuple[str, Any]]:
    given = [
        (name.replace("_", " "), writing.parameter(value))
        for name, value in version.parameters.items()
        if value not in ([], "off")
    ]
    learnt = [(name.replace("_", " "), writing.parameter(value)) for name, value in version.learnt.items()]
    learnt = [fact for fact in learnt if fact[0] not in dict(given)]
    return [
        ("detector", version.detector),
        *given,
        *learnt,
        ("points", f"{version.points:,}"),
        ("first point", _moment(version.first_timestamp)),
        ("last point", _moment(version.last_timestamp)),
        ("fitted", f"{writing.moment(version.created_at)} in {writing.duration(version.fit_ms / 1000)}"),
        ("job", version.job_id),
        ("training data sha256", version.data.sha256.hex()),
    ]


def _moment(timestamp: int) -> str:
    return f"{writing.moment(datetime.fromtimestamp(timestamp, UTC))} ({timestamp})"


def _inside_script(document: str | None) -> Markup:
    """JSON that no `</script>` in a name or value can end."""
    return Markup((document or "").replace("<", "\\u003c"))  # noqa: S704 - JSON in a script is data, never markup
