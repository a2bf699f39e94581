"""Pages for browsers."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.openapi.docs import get_swagger_ui_html
from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response

from api import charts
from api.dependencies import ServicesOf
from api.openapi import operation
from api.pages import address, asset, templates
from api.resolving import parse_version
from api.routes.versions import find_version
from api.services import Services
from shared.domain.series import Series, check_series_id
from shared.domain.training_scores import TrainingScores
from shared.domain.versions import Version
from shared.store import series as series_store
from shared.store import versions

router = APIRouter(tags=["pages"])

A_YEAR = "public, max-age=31536000, immutable"


@router.get("/plot", **operation("text/html"))
def plot(
    services: ServicesOf,
    series_id: Annotated[str, Query(description="The series")],
    version: Annotated[str | None, Query(description="A version (3, v3); 0, latest or nothing for the latest")] = None,
) -> Response:
    """A version's training data with the normal band and the points it calls anomalous."""
    series_id = check_series_id(series_id)
    found = find_version(services, series_id, parse_version(version))
    series = Series.decode(services.artifacts.data.get(found.data))
    scores = TrainingScores.decode(services.artifacts.states.get(found.scores))
    page = templates.get_template("plot.html").render(
        version=found,
        figure=_inside_script(charts.training(series, scores).to_json()),
        marks=len(charts.anomalies(series, scores).timestamps),
        facts=_facts(found),
        link=lambda number: f"plot?series_id={series_id}&version={number}",
        **_neighbours(services, found),
    )
    return HTMLResponse(page, headers={"Cache-Control": "no-cache"})


@router.get("/docs", include_in_schema=False)
async def documentation(request: Request) -> Response:
    """Interactive documentation; its files come from the installed package, so that it works without a CDN."""
    return get_swagger_ui_html(
        openapi_url="openapi.json",
        title=f"{request.app.title} {request.app.version}",
        swagger_js_url=address("swagger-ui-bundle.js"),
        swagger_css_url=address("swagger-ui.css"),
        swagger_favicon_url="data:,",
        swagger_ui_parameters={"tryItOutEnabled": True, "displayRequestDuration": True},
    )


@router.get("/static/{fingerprint}/{name}", include_in_schema=False)
def static(fingerprint: str, name: str) -> Response:
    """A file that a page refers to; its address changes with its content, so browsers keep it."""
    try:
        found = asset(name)
    except KeyError:
        raise HTTPException(404) from None
    headers = {"Content-Encoding": "gzip", "Cache-Control": A_YEAR if fingerprint == found.fingerprint else "no-cache"}
    return Response(found.compressed, media_type=found.media_type, headers=headers)


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
