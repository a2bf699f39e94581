"""What every answer says to browsers, errors included, and the names under which this service may be asked."""

from collections.abc import Awaitable

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.chain.authentication import host_name, is_https
from api.problems import refusal
from shared.errors import Code, InputError
from shared.settings import Settings

# An answer that is no page may do nothing at all, whatever a browser takes it for. Pages bring a policy of their own.
DEFAULTS = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # not no-referrer, for which browsers send our own forms with `Origin: null`
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
HSTS = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")
_RAW = [(name.lower().encode(), value.encode()) for name, value in DEFAULTS.items()]


class Headers:
    """Adds what an answer does not say itself. The outermost, so that no answer goes without."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        def send_with_headers(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                said = {name for name, _ in message["headers"]}
                missing = [header for header in _RAW if header[0] not in said]
                tls = (HSTS,) if is_https(scope, self.settings) else ()
                message["headers"] = [*message["headers"], *missing, *tls]
            return send(message)

        await self.app(scope, receive, send_with_headers)


class TrustedHosts:
    """Answers under the names of ALLOWED_HOSTS alone. Probes are exempt, who ask by address."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.names = frozenset(name.encode() for name in settings.hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or answer that this is somebody else's name."""
        if scope["type"] == "http" and scope["path"] not in ("/livez", "/readyz"):
            hosts = [value for name, value in scope["headers"] if name == b"host"]
            if len(hosts) != 1 or host_name(hosts[0]) not in self.names:
                error = InputError(Code.UNKNOWN_HOST, "This service goes by other names, which ALLOWED_HOSTS lists.")
                await refusal(error, Request(scope))(scope, receive, send)
                return
        await self.app(scope, receive, send)
