"""The routes that are asked most, served before FastAPI sees them: what it does for a route costs a third of a verdict.

Without this slot FastAPI would serve them too, with the same answers: their endpoints read the request themselves.
"""

from collections.abc import Iterable

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send

from api.chain.authentication import check_scope
from api.openapi import scope_of
from api.problems import refusal
from shared.domain.access import Scope as KeyScope
from shared.errors import TsadError


class Direct:
    """Calls the endpoint of a route that matches, behind the check of the scope that it declares."""

    def __init__(self, app: ASGIApp, routes: Iterable[BaseRoute]) -> None:
        self.app = app
        known = [route for route in routes if isinstance(route, APIRoute)]
        self.routes = [(route, wanted) for route in known if (wanted := scope_of(route))]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on what matches none."""
        wanted = self._match(scope) if scope["type"] == "http" else None
        if wanted is None:
            await self.app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            check_scope(request, wanted)
            answer = await scope["endpoint"](request)
        except TsadError as error:
            answer = refusal(error, request)
            # An error that comes from a thread is part of a ring, which would keep the body for a while.
            error.__traceback__ = None
        await answer(scope, receive, send)

    def _match(self, scope: Scope) -> KeyScope | None:
        """Note the route that a request matches, as Starlette does; return what it asks of a key."""
        for route, wanted in self.routes:
            match, found = route.matches(scope)
            if match is Match.FULL:
                scope.update(found)
                return wanted
        return None
