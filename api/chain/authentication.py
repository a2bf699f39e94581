"""Who sent a request, judged before anything of its body is read.

With a key, whoever presents one. Until the first key is made, whoever is on this machine. Scopes are asked by the
routes (`requires`), series by whatever names one (`Caller.sees`).
"""

from collections.abc import Awaitable, Callable
from functools import lru_cache
from http.cookies import CookieError, SimpleCookie
from ipaddress import IPv6Address, ip_address
from urllib.parse import quote, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as RequestScope

from api.problems import refusal
from shared.domain.access import ANYBODY, Caller, Scope
from shared.errors import AccessError, Code, TsadError
from shared.settings import Settings

Headers = dict[bytes, bytes]

SESSION_COOKIE = "tsad_session"
CSRF_HEADER = "X-Requested-With"  # whatever its value: other sites cannot send it without asking, and are refused
SIGN_IN = "/ui/login"
NOBODY = Caller("", frozenset())  # may only ask what is public

READS = ("GET", "HEAD", "OPTIONS")
_LOCAL_NAMES = (b"localhost", b"127.0.0.1", b"[::1]")
_PUBLIC = ("/livez", "/readyz", SIGN_IN, "/ui/logout")
_PUBLIC_FOLDER = "/static/"


class Authentication:
    """Puts the `Caller` into the request's state, or answers 401; refuses changes that another site asks for."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.off = settings.auth == "off"
        self.origins = frozenset(origin.encode() for origin in settings.origins)

    async def __call__(self, scope: RequestScope, receive: Receive, send: Send) -> None:
        """Pass on what may go on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers: Headers = dict(scope["headers"])
        scope["state"]["signed_in"] = session_token(headers) is not None
        try:
            if scope["method"] not in READS:
                self._check_origin(headers)
            scope["state"]["caller"] = ANYBODY if self.off else await self._caller(scope, headers)
        except TsadError as error:
            if error.code == Code.UNAUTHENTICATED and _is_page(scope, headers):
                here = scope["path"] + ("?" + scope["query_string"].decode("latin-1") if scope["query_string"] else "")
                answer: Response = RedirectResponse(f"{scope['root_path']}{SIGN_IN}?next={quote(here, safe='')}", 303)
            else:
                answer = refusal(error, Request(scope))
            await answer(scope, receive, send)
            return
        await self.app(scope, receive, send)

    async def _caller(self, scope: RequestScope, headers: Headers) -> Caller:
        path: str = scope["path"].removeprefix(scope["root_path"])
        if path == "/readyz":
            return await self._whoever(scope, headers)
        if path in _PUBLIC or path.startswith(_PUBLIC_FOLDER):
            return NOBODY
        return await identify(scope, headers)

    async def _whoever(self, scope: RequestScope, headers: Headers) -> Caller:
        """The caller where one can be told: the question is answered to everybody, in more or less words."""
        try:
            return await identify(scope, headers)
        except AccessError:
            return NOBODY
        except TsadError:  # without a database, only the machine itself can be told from the rest
            return ANYBODY if is_local(scope) else NOBODY

    def _check_origin(self, headers: Headers) -> None:
        """Browsers say which site a request comes from; what is no browser says nothing."""
        origin = headers.get(b"origin")
        if origin is None:
            foreign = headers.get(b"sec-fetch-site") == b"cross-site"
        else:
            foreign = _place(origin) != headers.get(b"host", b"").lower() and origin not in self.origins
        if foreign:
            raise AccessError(
                Code.FOREIGN_ORIGIN, "Another site's page asked for a change. Such sites are named in CORS_ORIGINS."
            )


async def identify(scope: RequestScope, headers: Headers) -> Caller:
    """The caller of a request; `AccessError` when there is none to be told."""
    keyring = scope["app"].state.services.keyring
    if await keyring.is_open() and is_local(scope):
        return ANYBODY
    if token := _token(headers):
        caller: Caller | None = await keyring.find(token)
    elif token := session_token(headers):
        if scope["method"] not in READS and CSRF_HEADER.lower().encode() not in headers:
            raise AccessError(
                Code.FOREIGN_ORIGIN, f"A change that a cookie allows needs the header {CSRF_HEADER}, as our pages send."
            )
        caller = await keyring.find(token)
    else:
        raise AccessError(
            Code.UNAUTHENTICATED, "Send an API key, as in: Authorization: Bearer <key>. `tsad keys create` makes one."
        )
    if caller is None:
        raise AccessError(Code.UNAUTHENTICATED, "This is no key, or none any more: it was revoked, or has expired.")
    return caller


def caller_of(request: Request) -> Caller:
    """Who sent the request."""
    return request.scope["state"]["caller"]  # type: ignore[no-any-return]


def requires(wanted: Scope) -> Callable[[Request], Awaitable[None]]:
    """What a route declares: `AccessError` for callers without this scope."""

    async def check(request: Request) -> None:
        check_scope(request, wanted)

    return check


def check_scope(request: Request, wanted: Scope) -> None:
    """Raise `AccessError` where the caller's key has another scope only."""
    if wanted not in caller_of(request).scopes:
        raise AccessError(Code.FORBIDDEN, f"This needs a key with the scope {wanted}.")


def is_local(scope: RequestScope) -> bool:
    """Whether the request comes from this machine and nobody passed it on.

    Judged by the socket, which the server was started not to rewrite, and by what proxies and foreign pages (whose name
    was made to lead here) leave in the headers.
    """
    if not (_is_loopback(scope.get("client")) and _is_loopback(scope.get("server"))):
        return False
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    passed_on = any(
        name in (b"forwarded", b"via", b"x-real-ip") or name.startswith(b"x-forwarded-") for name, _ in scope["headers"]
    )
    return len(hosts) == 1 and host_name(hosts[0]) in _LOCAL_NAMES and not passed_on


def is_https(scope: RequestScope, settings: Settings) -> bool:
    """Whether clients come by TLS, which ends here or at a proxy: that, only the operator can tell."""
    return scope["scheme"] == "https" or settings.behind_tls


def host_name(host: bytes) -> bytes:
    """A Host header without its port."""
    name, colon, port = host.lower().rpartition(b":")
    return name if colon and port.isdigit() else host.lower()


def session_token(headers: Headers) -> str | None:
    """What a browser was given when somebody signed in."""
    try:
        cookie = SimpleCookie(headers.get(b"cookie", b"").decode("latin-1")).get(SESSION_COOKIE)
    except CookieError:
        return None
    return cookie.value if cookie else None


def _token(headers: Headers) -> str | None:
    scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
    given = token if scheme.lower() == b"bearer" else headers.get(b"x-api-key", b"")
    return given.strip().decode("latin-1") or None


def _is_page(scope: RequestScope, headers: Headers) -> bool:
    return scope["method"] == "GET" and b"text/html" in headers.get(b"accept", b"")


def _is_loopback(place: tuple[str, int | None] | None) -> bool:
    return place is not None and place[1] is not None and _is_loopback_address(place[0])


@lru_cache(maxsize=256)
def _is_loopback_address(text: str) -> bool:
    try:
        address = ip_address(text)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


def _place(origin: bytes) -> bytes:
    """Host and port of an origin; nothing for `null`."""
    try:
        return urlsplit(origin.decode("latin-1").lower()).netloc.encode("latin-1")
    except ValueError:
        return b""
