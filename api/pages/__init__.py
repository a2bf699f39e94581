"""Pages: templates, and files they refer to under names that change with their content.

Every address in a page is relative, so that a proxy may serve the pages under a prefix: `root` leads from the page to
where `/` is.
"""

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from secrets import token_urlsafe

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from api.pages import writing

MEDIA_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}

templates = Environment(
    loader=PackageLoader("api.pages"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)


@dataclass(frozen=True)
class Asset:
    """A file that browsers may keep for a year."""

    media_type: str
    content: bytes
    fingerprint: str

    @cached_property
    def compressed(self) -> bytes:
        """As it is sent; made for the first who asks, so that pages which merely name the file need not wait."""
        return gzip.compress(self.content, 6, mtime=0)


def render(request: Request, template: str, *, status_code: int = 200, **content: object) -> HTMLResponse:
    """The page. Its scripts and styles are those it was sent with: nothing else runs, loads or is sent elsewhere."""
    nonce = token_urlsafe(16)
    below = request.scope["path"].removeprefix(request.scope.get("root_path", "")).count("/") - 1
    page = templates.get_template(template).render(
        nonce=nonce,
        root="../" * below or "./",
        product=f"{request.app.title} {request.app.version}",
        signed_in=getattr(request.state, "signed_in", False),
        flower_url=request.app.state.services.settings.flower_url,
        **content,
    )
    return HTMLResponse(
        page, status_code, {"Content-Security-Policy": policy(nonce), "Cache-Control": "private, no-cache"}
    )


def policy(nonce: str) -> str:
    """What a page may do. Modules that a script with the nonce imports inherit it."""
    return (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


@cache
def asset(name: str) -> Asset:
    """The file of that name; `KeyError` when there is none."""
    if name == "plotly.min.js":
        content = (files("plotly") / "package_data" / name).read_bytes()
    elif name in ("swagger-ui-bundle.js", "swagger-ui.css"):
        content = (files("fastapi_swagger") / "resources" / name).read_bytes()
    else:
        content = _own()[name]
    return Asset(
        media_type=MEDIA_TYPES[name.rsplit(".", 1)[1]],
        content=content,
        # modules import each other by relative addresses, so that our own files share one fingerprint
        fingerprint=hashlib.sha256(b"".join(_own().values()) if name in _own() else content).hexdigest()[:12],
    )


def address(name: str) -> str:
    """Where the file is, from `/`."""
    return f"static/{asset(name).fingerprint}/{name}"


@cache
def _own() -> dict[str, bytes]:
    found = sorted((files("api.pages") / "static").iterdir(), key=lambda file: file.name)
    return {file.name: file.read_bytes() for file in found if file.is_file()}


templates.globals["address"] = address
templates.filters.update(writing.FILTERS)
