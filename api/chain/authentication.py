"""Authentication: identify the caller of a request before reading its body.

A key identifies its caller. Until the first key is created, every request from this machine is allowed. Routes check
scopes (`requires`); code that reads a series id checks that the caller sees the series (`Caller.sees`).
"""

import base64
import binascii
import re
from collections.abc import Awaitable, Callable
from functools import lru_cache, partial
from ipaddress import IPv6Address, ip_address
from urllib.parse import quote, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as RequestScope

from api.matching import LINE_PROTOCOL, PROBES, path_of, prefix_of
from api.problems import refuse, wants_page
from shared.domain.access import ANYBODY, Caller, Scope
from shared.errors import AccessError, Code, TsadError
from shared.settings import Settings

Headers = dict[bytes, bytes]

SESSION_COOKIE = "tsad_session"
_SESSION = re.compile(rb"(?:^|;)[ \t]*%b=([^;]*)" % SESSION_COOKIE.encode())
CSRF_HEADER = "X-Requested-With"  # any value: to send it, another site needs a CORS preflight, which is rejected
SIGN_IN = "/ui/login"
NOBODY = Caller("", frozenset())  # the caller of public routes

READS = ("GET", "HEAD", "OPTIONS")
_LOCAL_NAMES = (b"localhost", b"127.0.0.1", b"[::1]")
_PUBLIC = (*PROBES, SIGN_IN, "/ui/logout")
_PUBLIC_FOLDER = "/static/"


class Authentication:
    """Middleware that stores the `Caller` in the request's state.

    It answers 401 without a valid key, redirects browsers to the sign-in page, and rejects changes from other sites.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.off = settings.auth == "off"
        self.origins = frozenset(origin.encode() for origin in settings.origins)

    async def __call__(self, scope: RequestScope, receive: Receive, send: Send) -> None:
        """Pass an authenticated request on, or reject it."""
        headers: Headers = dict(scope["headers"])
        scope["state"]["signed_in"] = session_token(headers) is not None
        try:
            if scope["method"] not in READS:
                self._check_origin(headers)
            scope["state"]["caller"] = ANYBODY if self.off else await self._caller(scope, headers)
        except TsadError as error:
            if error.code == Code.UNAUTHENTICATED and wants_page(Request(scope)):
                await _redirect_to_sign_in(scope)(scope, receive, send)
            else:
                await refuse(error, scope, receive, send)
            return
        await self.app(scope, receive, send)

    async def _caller(self, scope: RequestScope, headers: Headers) -> Caller:
        path = path_of(scope)
        if path == "/readyz":
            return await self._caller_or_nobody(scope, headers)
        if path in _PUBLIC or path.startswith(_PUBLIC_FOLDER):
            return NOBODY
        return await identify(scope, headers)

    async def _caller_or_nobody(self, scope: RequestScope, headers: Headers) -> Caller:
        """Identify the caller of a public route whose response has more detail for authenticated callers."""
        try:
            return await identify(scope, headers)
        except AccessError:
            return NOBODY
        except TsadError:  # without a database, only requests from this machine can be recognized
            return ANYBODY if is_local(scope) else NOBODY

    def _check_origin(self, headers: Headers) -> None:
        """Raise `AccessError` for a request from another site. Browsers name the site; other clients do not."""
        origin = headers.get(b"origin")
        if origin is None:
            foreign = headers.get(b"sec-fetch-site") == b"cross-site"
        else:
            foreign = _authority(origin) != headers.get(b"host", b"").lower() and origin not in self.origins
        if foreign:
            raise AccessError(
                Code.FOREIGN_ORIGIN,
                "A page of another site requested a change. To allow that site, add it to CORS_ORIGINS.",
            )


async def identify(scope: RequestScope, headers: Headers) -> Caller:
    """Return the caller of a request.

    Raises `AccessError` without a valid key, or for a change that relies on the cookie but lacks `CSRF_HEADER`.
    Raises `UnavailableError` when the keys cannot be read.
    """
    keyring = scope["app"].state.services.keyring
    if await keyring.is_open() and is_local(scope):
        return ANYBODY
    if token := _api_key(headers, path_of(scope)):
        caller: Caller | None = await keyring.find(token)
    elif token := session_token(headers):
        if scope["method"] not in READS and CSRF_HEADER.lower().encode() not in headers:
            raise AccessError(
                Code.FOREIGN_ORIGIN, f"A change that relies on the session cookie needs the header {CSRF_HEADER}."
            )
        caller = await keyring.find_browser(token)
        scope["state"]["browser"] = token
    else:
        raise AccessError(
            Code.UNAUTHENTICATED,
            "Send an API key, as in Authorization: Bearer <key>. Create one with `tsad keys create`.",
        )
    if caller is None:
        raise AccessError(Code.UNAUTHENTICATED, "The API key is invalid, expired or revoked.")
    return caller


def caller_of(request: Request) -> Caller:
    """Return the caller that the authentication stored in the request's state."""
    return request.scope["state"]["caller"]  # type: ignore[no-any-return]


def still_allowed(request: Request) -> Callable[[], bool]:
    """Return a check for long-running requests: whether the key, or the browser session, is still valid."""
    keyring, state = request.scope["app"].state.services.keyring, request.scope["state"]
    return partial(keyring.is_valid, state["caller"], state.get("browser"))


def requires(required: Scope) -> Callable[[Request], Awaitable[None]]:
    """Return the dependency of a route that raises `AccessError` for callers without this scope."""

    async def check(request: Request) -> None:
        check_scope(request, required)

    return check


def check_scope(request: Request, required: Scope) -> None:
    """Raise `AccessError` unless the caller's key has the required scope."""
    if required not in caller_of(request).scopes:
        raise AccessError(Code.FORBIDDEN, f"This request needs a key with the scope {required}.")


def is_local(scope: RequestScope) -> bool:
    """Whether the request comes from this machine, without a proxy in between.

    The socket must be a loopback one; the server is started with `proxy_headers=False`, so it does not rewrite the
    addresses. The headers must show neither a proxy nor a foreign Host name, which DNS rebinding can point here.
    """
    if not (_is_loopback(scope.get("client")) and _is_loopback(scope.get("server"))):
        return False
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    proxied = any(
        name in (b"forwarded", b"via", b"x-real-ip") or name.startswith(b"x-forwarded-") for name, _ in scope["headers"]
    )
    return len(hosts) == 1 and host_name(hosts[0]) in _LOCAL_NAMES and not proxied


def is_https(scope: RequestScope, settings: Settings) -> bool:
    """Whether clients connect with TLS. If a proxy terminates it, only the operator's setting says so."""
    return scope["scheme"] == "https" or settings.behind_tls


def host_name(host: bytes) -> bytes:
    """Return a Host header in lower case, without its port."""
    name, colon, port = host.lower().rpartition(b":")
    return name if colon and port.isdigit() else host.lower()


def session_token(headers: Headers) -> str | None:
    """Return the token in the session cookie; None without one.

    The standard library's parser takes seconds for a hostile header, and gives up at the first invalid cookie.
    """
    match = _SESSION.search(headers.get(b"cookie", b""))
    return match[1].decode("latin-1").strip() or None if match else None


def _api_key(headers: Headers, path: str) -> str | None:
    scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
    key = headers.get(b"x-api-key", b"")
    if scheme.lower() == b"bearer" or (path in LINE_PROTOCOL and scheme.lower() == b"token"):
        key = token
    elif path in LINE_PROTOCOL and scheme.lower() == b"basic":  # clients of InfluxDB 1 know only names and passwords
        key = _password(token)
    return key.strip().decode("latin-1") or None


def _password(login: bytes) -> bytes:
    """Return the password of a Basic login; empty if it is not one."""
    try:
        return base64.b64decode(login.strip(), validate=True).partition(b":")[2]
    except binascii.Error:
        return b""


def _redirect_to_sign_in(scope: RequestScope) -> RedirectResponse:
    """Return the redirect to the sign-in page, which redirects back to the requested path and query string."""
    query = "?" + scope["query_string"].decode("latin-1") if scope["query_string"] else ""
    return RedirectResponse(f"{prefix_of(scope)}{SIGN_IN}?next={quote(path_of(scope) + query, safe='')}", 303)


def _is_loopback(endpoint: tuple[str, int | None] | None) -> bool:
    """Whether host and port are those of a loopback socket. A Unix socket has no port."""
    return endpoint is not None and endpoint[1] is not None and _is_loopback_address(endpoint[0])


@lru_cache(maxsize=256)
def _is_loopback_address(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


def _authority(origin: bytes) -> bytes:
    """Return host and port of an origin; empty for `null` and for an invalid one."""
    try:
        return urlsplit(origin.decode("latin-1").lower()).netloc.encode("latin-1")
    except ValueError:
        return b""
