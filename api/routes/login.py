"""Sign-in to the pages, which exchanges a key for a cookie, and sign-out."""

import secrets
from datetime import timedelta
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from api.chain.authentication import SESSION_COOKIE, SIGN_IN, is_https, session_token
from api.dependencies import Prefix, ServicesOf
from api.openapi import page_route
from api.pages import render
from api.problems import security_event
from api.services import Services
from shared.domain.access import Caller, digest
from shared.errors import Code, InputError
from shared.store import keys

router = APIRouter(tags=["pages"])

SESSION_LIFETIME = timedelta(hours=12)
MAX_BYTES = 10_000  # of the form, because its sender is not authenticated yet


@router.get("/ui/login", **page_route(scope=None))
async def ask(
    request: Request,
    next_: Annotated[str, Query(alias="next", max_length=2000, description="Path below the prefix to open then")] = "",
) -> Response:
    """Show the sign-in form. Submitting a key sets a session cookie."""
    return render(request, "login.html", next=next_, wrong=False)


@router.post("/ui/login", include_in_schema=False)
async def sign_in(request: Request, services: ServicesOf, prefix: Prefix) -> Response:
    """Exchange a key for a cookie that lasts `SESSION_LIFETIME`, but no longer than the key."""
    form = await _form(request)
    token = form.get("key", [""])[0].strip()
    target = form.get("next", [""])[0]
    caller = await services.keyring.find(token) if token else None
    if caller is None:
        security_event(request, Code.UNAUTHENTICATED)
        return render(request, "login.html", status_code=401, next=target, wrong=True)
    session = secrets.token_urlsafe(32)
    await services.lanes.requests(_open_session, services, session, caller)
    answer = RedirectResponse(prefix + _local_path(target), 303)
    answer.set_cookie(
        SESSION_COOKIE,
        session,
        path=prefix or "/",
        max_age=int(SESSION_LIFETIME.total_seconds()),
        httponly=True,
        samesite="strict",
        secure=is_https(request.scope, services.settings),
    )
    return answer


@router.post("/ui/logout", include_in_schema=False)
async def sign_out(request: Request, services: ServicesOf, prefix: Prefix) -> Response:
    """End the session in all processes, and delete its cookie."""
    if token := session_token(dict(request.scope["headers"])):
        await services.lanes.requests(_end_session, services, token)
    answer = RedirectResponse(prefix + SIGN_IN, 303)
    answer.delete_cookie(SESSION_COOKIE, path=prefix or "/")
    return answer


async def _form(request: Request) -> dict[str, list[str]]:
    """Read the fields of the form; raise `InputError` if it is larger than `MAX_BYTES`."""
    content = b""
    async for part in request.stream():
        content += part
        if len(content) > MAX_BYTES:
            raise InputError(Code.BODY_TOO_LARGE, f"The form is larger than {MAX_BYTES:,} bytes.")
    return parse_qs(content.decode("latin-1"))


def _open_session(services: Services, token: str, caller: Caller) -> None:
    with services.sessions.begin() as session:
        keys.open_session(session, digest(token), caller.key_id, SESSION_LIFETIME)


def _end_session(services: Services, token: str) -> None:
    with services.sessions.begin() as session:
        keys.end_session(session, digest(token))


def _local_path(target: str) -> str:
    """Return the target if it is a path of this service, below the prefix; else the path of the start page.

    Browsers treat two leading slashes or backslashes as the start of a host.
    """
    is_local = target.startswith("/") and target[1:2] not in ("/", "\\") and target.isprintable()
    return target if is_local else "/"
