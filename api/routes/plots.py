"""A version's training data as people look at it: a page and a static picture."""

import hashlib
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from markupsafe import Markup
from starlette.responses import HTMLResponse, Response

from api import charts, pictures
from api.dependencies import ServicesOf
from api.histories import USUALLY_SHOWN
from api.openapi import operation
from api.pages import templates
from api.resolving import parse_version
from api.routes.versions import find_version
from api.services import Services
from shared import __version__
from shared.domain.series import LAST_TIMESTAMP, check_series_id
from shared.domain.versions import Version
from shared.store import series as series_store
from shared.store import versions

router = APIRouter(tags=["pages"])

Named = Annotated[str, Query(description="The series")]
Numbered = Annotated[str | None, Query(description="A version (3, v3); 0, latest or nothing for the latest")]


@router.get("/plot", **operation("text/html"))
def plot(services: ServicesOf, series_id: Named, version: Numbered = None) -> Response:
    """A version's training data with the normal band and the points it calls anomalous."""
    series_id = check_series_id(series_id)
    found = find_version(services, series_id, parse_version(version))
    excerpt = services.histories.of(found).excerpt(0, LAST_TIMESTAMP, USUALLY_SHOWN)
    page = templates.get_template("plot.html").render(
        version=found,
        figure=_inside_script(charts.training(excerpt).to_json()),
        marks=excerpt.anomalies,
        facts=_facts(found),
        link=lambda number: f"plot?series_id={series_id}&version={number}",
        **_neighbours(services, found),
    )
    return HTMLResponse(page, headers={"Cache-Control": "no-cache"})


@router.get("/plot.svg", **operation("image/svg+xml"))
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
    found = find_version(services, check_series_id(series_id), parse_version(version))
    looks = f"{__version__} {found.scores.key} {found.version} {width} {height} {theme}"
    tag = f'"{hashlib.sha256(looks.encode()).hexdigest()[:32]}"'
    headers = {"Cache-Control": "no-cache", "ETag": tag}  # kept, but asked for again: what is latest changes
    if tag in request.headers.get("If-None-Match", ""):
        return Response(status_code=304, headers=headers)
    excerpt = services.histories.of(found).excerpt(0, LAST_TIMESTAMP, 2 * width)
    drawn = pictures.training(found, excerpt, width, height, theme)
    return Response(drawn, media_type="image/svg+xml", headers=headers)


def _neighbours(services: Services, version: Version) -> dict[str, int | None]:
    with services.sessions.begin() as session:
        before, after = versions.neighbours(session, version.series_id, version.version)
        summary = series_store.find(session, version.series_id)
    return {"previous": before, "next": after, "latest": summary.latest_version if summary else version.version}


def _facts(version: Version) -> list[tuple[str, Any]]:
    given = [(name.replace("_", " "), value) for name, value in version.parameters.items() if value not in ([], "off")]
    learnt = [
        (name.replace("_", " "), value if isinstance(value, str) else f"{value:.6g}")
        for name, value in version.learnt.items()
    ]
    learnt = [fact for fact in learnt if fact[0] not in dict(given)]
    return [
        ("detector", version.detector),
        *given,
        *learnt,
        ("first point", _moment(version.first_timestamp)),
        ("last point", _moment(version.last_timestamp)),
        ("fitted", f"{version.created_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC in {version.fit_ms:.3g} ms"),
        ("job", version.job_id),
        ("training data sha256", version.data.sha256.hex()),
    ]


def _moment(timestamp: int) -> str:
    return f"{datetime.fromtimestamp(timestamp, UTC):%Y-%m-%d %H:%M:%S} UTC ({timestamp})"


def _inside_script(document: str | None) -> Markup:
    """JSON that no `</script>` in a name or value can end."""
    return Markup((document or "").replace("<", "\\u003c"))  # noqa: S704 - JSON inside a script element is data, never markup
