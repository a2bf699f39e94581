"""A span for each request: the first slot of the chain, present only if traces are exported."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.matching import route_of
from shared.tracing import Tracing, request_id_of


class Traced:
    """Middleware that wraps each request in a span.

    Trace id and span id form the request id, unless the client sends one.
    """

    def __init__(self, app: ASGIApp, tracing: Tracing) -> None:
        self.app = app
        self.tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on within the span, and record the status of its response."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        with self.tracing.request(scope["method"], headers) as span:
            scope.setdefault("state", {})["span"] = request_id_of(span)

            async def send_recording_status(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                    span.set_attribute("tsad.request_id", scope["state"]["request_id"])
                await send(message)

            await self.app(scope, receive, send_recording_status)
            span.update_name(f"{scope['method']} {route_of(scope)}")
