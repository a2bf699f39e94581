"""Headers that every response carries, including errors, and the host names that this service accepts."""

from collections.abc import Awaitable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.chain.authentication import host_name, is_https
from api.matching import PROBES, path_of
from api.problems import refuse
from shared.errors import Code, InputError
from shared.settings import Settings

# The policy forbids everything, in case a browser renders a response that is not a page. Pages set another one.
DEFAULTS = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with no-referrer, browsers send our own forms with `Origin: null`
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
HSTS = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")
_RAW = [(name.lower().encode(), value.encode()) for name, value in DEFAULTS.items()]


class Headers:
    """Middleware that adds the default headers a response lacks. It is outermost, so it covers every response."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and complete the headers of its response."""

        def send_with_headers(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                present = {name for name, _ in message["headers"]}
                missing = [header for header in _RAW if header[0] not in present]
                tls = (HSTS,) if is_https(scope, self.settings) else ()
                message["headers"] = [*message["headers"], *missing, *tls]
            return send(message)

        await self.app(scope, receive, send_with_headers)


class TrustedHosts:
    """Middleware that rejects hosts outside ALLOWED_HOSTS. Probes are exempt because they connect by IP address."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.names = frozenset(name.encode() for name in settings.hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request with an allowed Host header on, or reject it."""
        if path_of(scope) not in PROBES:
            hosts = [value for name, value in scope["headers"] if name == b"host"]
            if len(hosts) != 1 or host_name(hosts[0]) not in self.names:
                error = InputError(
                    Code.UNKNOWN_HOST, "The Host header is not in ALLOWED_HOSTS. Add it, or use a listed name."
                )
                await refuse(error, scope, receive, send)
                return
        await self.app(scope, receive, send)
