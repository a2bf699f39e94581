"""Which route a request matched, for figures and spans: the route's path, never the request's."""

from starlette.types import Scope

NONE = "none"


def route_of(scope: Scope) -> str:
    """The path of the route that answered, as in /series/{series_id}; `NONE` when there is none.

    FastAPI notes its routes; those that Starlette serves alone are found by their endpoint.
    """
    endpoint = scope.get("endpoint")
    if endpoint is None:
        return NONE
    route = scope.get("route") or next(
        (known for known in scope["app"].routes if getattr(known, "endpoint", None) is endpoint), None
    )
    return str(getattr(route, "path", NONE))
