"""The prefix under which a proxy serves this application, such as /tsad."""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from starlette.responses import RedirectResponse
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as RequestScope

from api.matching import flat
from shared.errors import Code, SetupError
from shared.settings import Settings
from shared.urls import url_prefix

HEADER = b"x-forwarded-prefix"


class Prefix:
    """Middleware that stores the prefix of a request as ASGI's `root_path`, and makes `path` begin with it.

    The prefix is the `X-Forwarded-Prefix` of a trusted proxy, otherwise ROOT_PATH. A proxy may remove the prefix from
    the path or leave it there.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.root_path = settings.root_path
        self.networks = settings.proxies
        self._is_trusted = lru_cache(maxsize=256)(self._is_proxy)

    async def __call__(self, scope: RequestScope, receive: Receive, send: Send) -> None:
        """Pass the request on with its prefix. Redirect from the prefix to its folder, where relative URLs work."""
        prefix = self._forwarded(scope) or self.root_path
        if prefix:
            path: str = scope["path"]
            if path == prefix:
                query = "?" + scope["query_string"].decode("latin-1") if scope["query_string"] else ""
                await RedirectResponse(f"{prefix}/{query}", 308)(scope, receive, send)
                return
            scope["root_path"] = prefix
            scope["path"] = path if path.startswith(f"{prefix}/") else prefix + path
        await self.app(scope, receive, send)

    def _forwarded(self, scope: RequestScope) -> str:
        """Return the prefix that a trusted proxy named; empty without a valid one."""
        named = [value for name, value in scope["headers"] if name == HEADER]
        if len(named) != 1 or not scope.get("client") or not self._is_trusted(scope["client"][0]):
            return ""
        try:
            return url_prefix(named[0].decode("latin-1").strip())
        except ValueError:
            return ""

    def _is_proxy(self, host: str) -> bool:
        try:
            address = ip_address(host)
        except ValueError:
            return False
        mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        return any((mapped or address) in network for network in self.networks)


def check_root_path(root_path: str, routes: Iterable[BaseRoute]) -> None:
    """Raise `SetupError` for a prefix like one of our paths: /jobs/7 could then mean two things."""
    first = root_path.split("/")[1:2]
    ours = {path.split("/")[1] for route in flat(routes) if (path := getattr(route, "path", ""))}
    if first and first[0] in ours:
        sentence = f"ROOT_PATH is {root_path}, but tsad's own paths begin with /{first[0]} too. Choose another prefix."
        raise SetupError(Code.CONFIGURATION, sentence)
