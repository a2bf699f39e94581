"""All routes of the API, including those that the OpenAPI document leaves out."""

from collections.abc import Iterator

from starlette.routing import BaseRoute

from api.main import create_app
from api.routes import fits, predictions
from tests.processes import make_settings


def all_routes() -> Iterator[BaseRoute]:
    """Every route of the API."""
    app = create_app(make_settings(database_url="postgresql://x/x", redis_url="redis://x"))
    yield from (*predictions.router.routes, *fits.raw.routes)
    for route in app.routes:  # an included router wraps its routes
        router = getattr(route, "original_router", None)
        yield from router.routes if router else [route]
