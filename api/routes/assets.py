"""Assets of pages, and the interactive documentation."""

import re
from secrets import token_urlsafe

from fastapi import APIRouter, Request
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response

from api.pages import address, asset, policy

router = APIRouter(tags=["pages"])

A_YEAR = "public, max-age=31536000, immutable"


@router.get("/docs", include_in_schema=False)
async def documentation(request: Request) -> Response:
    """Interactive documentation. Its files come from the installed package, so it works without a CDN."""
    page = get_swagger_ui_html(
        openapi_url="openapi.json",
        title=f"{request.app.title} {request.app.version}",
        swagger_js_url=address("swagger-ui-bundle.js"),
        swagger_css_url=address("swagger-ui.css"),
        swagger_favicon_url="data:,",
        swagger_ui_parameters={"tryItOutEnabled": True, "displayRequestDuration": True},
    )
    nonce = token_urlsafe(16)
    content = re.sub(rb"<(script|link)\b", rb'<\1 nonce="%b"' % nonce.encode(), bytes(page.body))
    return HTMLResponse(content, headers={"Content-Security-Policy": policy(nonce)})


@router.get("/static/{fingerprint}/{name}", include_in_schema=False)
def static(fingerprint: str, name: str) -> Response:
    """A file that a page refers to. Its URL changes with its content, so browsers cache it."""
    try:
        file = asset(name)
    except KeyError:
        raise HTTPException(404) from None
    headers = {"Content-Encoding": "gzip", "Cache-Control": A_YEAR if fingerprint == file.fingerprint else "no-cache"}
    return Response(file.compressed, media_type=file.media_type, headers=headers)
