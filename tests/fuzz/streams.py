"""Finite event streams, for clients that wait for the end of every response."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class EndingStreams:
    """Middleware that ends each event stream after its headers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        ended = False

        async def send_head(message: Message) -> None:
            nonlocal ended
            if ended:
                return
            await send(message)
            if message["type"] == "http.response.start":
                ended = b"text/event-stream" in dict(message["headers"]).get(b"content-type", b"")
                if ended:
                    await send({"type": "http.response.body", "body": b"", "more_body": False})

        await self.app(scope, receive, send_head)
