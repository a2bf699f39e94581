"""The API process: settings in, application out."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from api import middleware, openapi, problems
from api.accepting import accept
from api.authentication import requires
from api.grouping import Grouped
from api.routes import dashboard, fits, health, jobs, login, pages, plots, predictions, series, versions
from api.services import Services
from api.stopping import when_stopping
from shared import __version__, logs
from shared.metrics import Metrics
from shared.settings import Settings
from shared.store.jobs import ACCEPT_AT_MOST
from shared.tracing import start as start_tracing

DESCRIPTION = "Learns what is normal for many time series and says, point by point, what is not."


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application; settings come from the environment unless given."""
    settings = settings or Settings.of_process("database", "redis")
    logs.configure(settings)
    metrics, tracing = Metrics(), start_tracing(settings, "tsad-api")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        current_default_thread_limiter().total_tokens = settings.database_pool_size
        services = Services.start(settings, metrics)
        app.state.services = services
        app.state.grouped_fits = Grouped(partial(accept, services), ACCEPT_AT_MOST)
        when_stopping(services.watcher.close)
        try:
            yield
        finally:
            await services.close()
            if tracing:
                tracing.close()

    app = FastAPI(
        title="tsad",
        version=__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        middleware=middleware.chain(settings, metrics, tracing),
        redirect_slashes=False,  # to an address made of the Host header, and from a fit without a series to a bulk fit
        docs_url=None,  # served by routes/pages.py from the installed package, so that it works without a CDN
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
    )
    problems.install(app)
    raw = [*predictions.router.routes, *fits.raw.routes]
    openapi.install(app, also=raw)
    # Matched first, and by Starlette alone: what FastAPI does for a route costs a third of a prediction.
    for route in raw:
        assert isinstance(route, APIRoute)  # noqa: S101
        app.add_route(route.path, permitted(route), methods=sorted(route.methods or ()))
    for routes in (fits, jobs, series, versions, health, dashboard, login, plots, pages):
        app.include_router(routes.router)
    return app


def permitted(route: APIRoute) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint behind a check of the scope that the route declares, as FastAPI puts one before its own."""
    scope = openapi.scope_of(route)
    assert scope is not None  # noqa: S101
    check = requires(scope)

    async def endpoint(request: Request) -> Response:
        await check(request)
        return await route.endpoint(request)  # type: ignore[no-any-return]

    return endpoint
