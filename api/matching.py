"""The path of a request, and its route, by which metrics and spans name it: clients control the path itself."""

from collections.abc import Iterable, Iterator

from starlette.routing import BaseRoute, Match
from starlette.types import Scope

NONE = "none"
PROBES = ("/livez", "/readyz")


def path_of(scope: Scope) -> str:
    """Return the path of a request below the prefix under which a proxy serves this application."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def route_of(scope: Scope) -> str:
    """Return the path of the route that answered, as in /series/{series_id}; `NONE` if no route did.

    FastAPI stores its route in the scope. The route of the OpenAPI document belongs to Starlette, which stores only the
    endpoint, so it is found by that.
    """
    endpoint = scope.get("endpoint")
    if endpoint is None:
        return NONE
    route = scope.get("route") or next(
        (candidate for candidate in scope["app"].routes if getattr(candidate, "endpoint", None) is endpoint), None
    )
    return str(getattr(route, "path", NONE))


def methods_at(scope: Scope) -> list[str]:
    """Return all methods that the request's path allows. Starlette names only those of the first matching route."""
    matching = (route for route in _flat(scope["app"].routes) if route.matches(scope)[0] != Match.NONE)
    return sorted({method for route in matching for method in getattr(route, "methods", None) or ()})


def _flat(routes: Iterable[BaseRoute]) -> Iterator[BaseRoute]:
    for route in routes:  # an included router is one route, which wraps its own
        router = getattr(route, "original_router", None)
        yield from router.routes if router else [route]
