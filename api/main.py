"""The composition root of the API process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.middleware import Middleware

from api import openapi, problems
from api.chain.connections import METRICS
from api.chain.prefixes import check_root_path
from api.chain.slots import HttpOnly, chain
from api.direct import Direct
from api.routes import (
    alert_pages,
    alerts,
    assets,
    configuration,
    files,
    fits,
    health,
    jobs,
    login,
    pages,
    plots,
    points,
    predictions,
    receivers,
    schedules,
    series,
    simulations,
    sources,
    spans,
    versions,
    watch_pages,
    watches,
    writes,
)
from api.services import Services
from api.stopping import when_stopping
from shared import __version__, logs
from shared.metrics import Metrics
from shared.settings import Settings
from shared.tracing import start as start_tracing

DESCRIPTION = "Learns what is normal for many time series and flags every point that deviates."
_ROUTES = (
    predictions, fits, points, watches, configuration, schedules, alerts, receivers, spans, sources, simulations, jobs,
    series, versions, health, pages, alert_pages, watch_pages, login, files, plots,
    assets,
)  # fmt: skip


def create_app(settings: Settings | None = None) -> FastAPI:
    """Create the application; by default, settings come from the environment."""
    settings = settings or Settings.of_process("database", "redis")
    logs.configure(settings)
    metrics, tracing = Metrics(), start_tracing(settings, "tsad-api")
    raw = [*predictions.router.routes, *fits.raw.routes, *points.raw.routes, *writes.raw.routes]

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        services = Services.start(settings, metrics)
        app.state.services = services
        when_stopping(services.end_streams)
        try:
            yield {METRICS: metrics}  # for connections, whose refusals no request counts
        finally:
            await services.close()
            if tracing:
                tracing.close()

    app = FastAPI(
        title="tsad",
        version=__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        generate_unique_id_function=openapi.name_of,
        middleware=[Middleware(HttpOnly), *chain(settings, metrics, tracing), Middleware(Direct, routes=raw)],
        telemetry={"tracing": False, "metrics": False, "logs": False},  # our own telemetry covers every request
        redirect_slashes=False,  # would trust the Host header, and turn a fit without a series into a bulk fit
        docs_url=None,  # routes/assets.py serves it from the installed package, without a CDN
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
    )
    problems.install(app)
    openapi.install(app)
    app.include_router(fits.raw)
    for routes in _ROUTES:
        app.include_router(routes.router)
    app.include_router(points.raw)
    app.include_router(writes.raw)
    check_root_path(settings.root_path, app.routes)
    return app
