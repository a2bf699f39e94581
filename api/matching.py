"""Which routes a request matches: for figures and spans the route's path, never the request's."""

from collections.abc import Iterable, Iterator

from starlette.routing import BaseRoute, Match
from starlette.types import Scope

NONE = "none"


def route_of(scope: Scope) -> str:
    """The path of the route that answered, as in /series/{series_id}; `NONE` when there is none.

    FastAPI notes its routes; that of its own document, which Starlette serves, is found by its endpoint.
    """
    endpoint = scope.get("endpoint")
    if endpoint is None:
        return NONE
    route = scope.get("route") or next(
        (known for known in scope["app"].routes if getattr(known, "endpoint", None) is endpoint), None
    )
    return str(getattr(route, "path", NONE))


def methods_at(scope: Scope) -> list[str]:
    """All methods that a request's path answers: Starlette names those of the first route that it finds."""
    found = (route for route in _flat(scope["app"].routes) if route.matches(scope)[0] != Match.NONE)
    return sorted({method for route in found for method in getattr(route, "methods", None) or ()})


def _flat(routes: Iterable[BaseRoute]) -> Iterator[BaseRoute]:
    for route in routes:  # those of a router that was included hide behind it
        router = getattr(route, "original_router", None)
        yield from router.routes if router else [route]
