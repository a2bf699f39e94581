"""Pages: templates, and assets whose URLs change with their content.

All URLs in pages are relative, so that a proxy can serve them under a prefix: `root` leads from the page to `/`.
"""

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from secrets import token_urlsafe

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse

from api.matching import path_of
from api.pages import writing

MEDIA_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}

templates = Environment(
    loader=PackageLoader("api.pages"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)


@dataclass(frozen=True)
class Asset:
    """A file that browsers may cache for a year."""

    media_type: str
    content: bytes
    fingerprint: str

    @cached_property
    def compressed(self) -> bytes:
        """The gzipped content, compressed on the first request so that rendering pages that link to it stays fast."""
        return gzip.compress(self.content, 6, mtime=0)


def render(request: Request, template: str, *, status_code: int = 200, **content: object) -> HTMLResponse:
    """Render a page, with a policy that allows only the scripts and styles that the page itself includes."""
    nonce = token_urlsafe(16)
    depth = path_of(request.scope).count("/") - 1
    page = templates.get_template(template).render(
        nonce=nonce,
        root="../" * depth or "./",
        product=f"{request.app.title} {request.app.version}",
        signed_in=getattr(request.state, "signed_in", False),
        flower_url=request.app.state.services.settings.flower_url,
        **content,
    )
    return HTMLResponse(
        page, status_code, {"Content-Security-Policy": policy(nonce), "Cache-Control": "private, no-cache"}
    )


def inside_script(document: str | None) -> Markup:
    """Escape JSON so that no `</script>` in a name or value can end the script element."""
    return Markup((document or "").replace("<", "\\u003c"))  # noqa: S704 - JSON in a script is data, never markup


def policy(nonce: str) -> str:
    """Return the Content-Security-Policy of a page. Modules that a script with the nonce imports are allowed too."""
    return (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


@cache
def asset(name: str) -> Asset:
    """Return the file of that name; raise `KeyError` if there is none."""
    if name == "plotly.min.js":
        content = (files("plotly") / "package_data" / name).read_bytes()
    elif name in ("swagger-ui-bundle.js", "swagger-ui.css"):
        content = (files("fastapi_swagger") / "resources" / name).read_bytes()
    else:
        content = _static_files()[name]
    return Asset(
        media_type=MEDIA_TYPES[name.rsplit(".", 1)[1]],
        content=content,
        fingerprint=_fingerprint(name, content),
    )


def address(name: str) -> str:
    """Return the URL of the file, relative to `/`."""
    return f"static/{asset(name).fingerprint}/{name}"


def _fingerprint(name: str, content: bytes) -> str:
    """Return the digest of a file. Our own files share a digest, because modules import each other by relative URLs."""
    static = _static_files()
    return hashlib.sha256(b"".join(static.values()) if name in static else content).hexdigest()[:12]


@cache
def _static_files() -> dict[str, bytes]:
    static = sorted((files("api.pages") / "static").iterdir(), key=lambda file: file.name)
    return {file.name: file.read_bytes() for file in static if file.is_file()}


templates.globals["address"] = address
templates.filters.update(writing.FILTERS)
