"""Pages: templates, and files they refer to under names that change with their content."""

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined

MEDIA_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8"}

templates = Environment(
    loader=PackageLoader("api.pages"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)


@dataclass(frozen=True)
class Asset:
    """A file that browsers may keep for a year."""

    media_type: str
    compressed: bytes
    fingerprint: str


@cache
def asset(name: str) -> Asset:
    """The file of that name; `KeyError` when there is none."""
    if name == "plotly.min.js":
        content = (files("plotly") / "package_data" / name).read_bytes()
    elif name in ("swagger-ui-bundle.js", "swagger-ui.css"):
        content = (files("fastapi_swagger") / "resources" / name).read_bytes()
    elif name in ("style.css", "plot.js"):
        content = (files("api.pages") / "static" / name).read_bytes()
    else:
        raise KeyError(name)
    return Asset(
        media_type=MEDIA_TYPES[name.rsplit(".", 1)[1]],
        compressed=gzip.compress(content, 6, mtime=0),
        fingerprint=hashlib.sha256(content).hexdigest()[:12],
    )


def address(name: str) -> str:
    """Where a page finds the file."""
    return f"static/{asset(name).fingerprint}/{name}"


templates.globals["address"] = address
