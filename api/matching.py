"""Path and route of a request. Metrics and spans use the route, because clients control the path."""

from collections.abc import Iterable, Iterator

from starlette.routing import BaseRoute, Match
from starlette.types import Scope

NONE = "none"
PROBES = ("/livez", "/readyz")
LINE_PROTOCOL = ("/api/v2/write", "/write")
SENDERS = ("/api/v1/write", *LINE_PROTOCOL)  # whose clients repeat or drop a request by the status alone


def path_of(scope: Scope) -> str:
    """Return the path of a request below the prefix under which a proxy serves this application."""
    path: str = scope["path"]
    return path.removeprefix(prefix_of(scope)) or "/"


def prefix_of(scope: Scope) -> str:
    """Return the prefix under which a proxy serves this application; empty without one."""
    prefix: str = scope.get("root_path", "")
    return prefix


def route_of(scope: Scope) -> str:
    """Return the path of the matched route, as in /series/{series_id}; `NONE` if no route matched.

    FastAPI routes store themselves in the scope. The route of the OpenAPI document is a Starlette route, which stores
    only its endpoint, so the endpoint identifies it.
    """
    endpoint = scope.get("endpoint")
    if endpoint is None:
        return NONE
    route = scope.get("route") or next(
        (candidate for candidate in scope["app"].routes if getattr(candidate, "endpoint", None) is endpoint), None
    )
    return str(getattr(route, "path", NONE))


def methods_at(scope: Scope) -> list[str]:
    """Return all methods that the request's path allows. Starlette returns only those of the first matching route."""
    matching = (route for route in flat(scope["app"].routes) if route.matches(scope)[0] != Match.NONE)
    return sorted({method for route in matching for method in getattr(route, "methods", None) or ()})


def flat(routes: Iterable[BaseRoute]) -> Iterator[BaseRoute]:
    """Yield all routes, including those of included routers."""
    for route in routes:  # an included router is one route that wraps its routes
        router = getattr(route, "original_router", None)
        yield from router.routes if router else [route]
