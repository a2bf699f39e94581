"""Assets of pages, and the interactive documentation."""

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from api.pages import asset, render

router = APIRouter(tags=["pages"])

A_YEAR = "public, max-age=31536000, immutable"


@router.get("/docs", include_in_schema=False)
async def documentation(request: Request) -> Response:
    """Interactive documentation. Its files come from the installed package, so it works without a CDN."""
    return render(request, "docs.html")


@router.get("/static/{fingerprint}/{name}", include_in_schema=False)
def static(fingerprint: str, name: str) -> Response:
    """A file that a page refers to. Its URL changes with its content, so browsers cache it."""
    try:
        file = asset(name)
    except KeyError:
        raise HTTPException(404) from None
    headers = {"Content-Encoding": "gzip", "Cache-Control": A_YEAR if fingerprint == file.fingerprint else "no-cache"}
    return Response(file.compressed, media_type=file.media_type, headers=headers)
