"""Apply a whole configuration."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query
from msgspec import UNSET
from starlette.responses import Response

from api.applying.applying import Requested, apply
from api.applying.kinds import kinds_of
from api.dependencies import CallerOf, Content, ServicesOf, answer
from api.openapi import operation
from api.schemas.configuration import AppliedAnswer, ChangeAnswer, ConfigurationBody
from api.schemas.decoding import decode
from shared.domain.access import Scope
from shared.errors import Code, Flaw, InputError

router = APIRouter(tags=["watches"])

_DOCUMENT: msgspec.json.Decoder[Requested] = msgspec.json.Decoder(dict[str, dict[str, Any]])


@router.post("/apply", **operation(AppliedAnswer, scope=Scope.ADMIN, body=ConfigurationBody))
def apply_configuration(
    services: ServicesOf,
    caller: CallerOf,
    content: Content,
    *,
    dry_run: Annotated[bool, Query(description="Change nothing, and return what would change")] = False,
    prune: Annotated[bool, Query(description="Delete other objects of the sections that the request has")] = False,
) -> Response:
    """Create and change receivers, watches and sources, all or nothing.

    Those of the request get exactly these fields, and defaults for the others. Those that it does not name stay, unless
    `prune` deletes them. Applying a configuration again changes nothing.
    """
    kinds = kinds_of(services.settings, caller)
    requested = decode(_DOCUMENT, content)
    if unknown := [name for name in requested if name not in kinds]:
        flaws = [Flaw((name[:64],), f"is unknown; sections are {', '.join(kinds)}") for name in unknown]
        raise InputError(Code.INVALID_CONFIGURATION, "The configuration has an unknown section.", flaws=flaws)
    with services.sessions.begin() as session, session.begin_nested() as attempt:
        changes = apply(session, kinds, requested, prune=prune, dry_run=dry_run)
        if dry_run:
            attempt.rollback()
    if not dry_run:
        services.ingest.rulebook.again()
    listed = [
        ChangeAnswer(
            change.section,
            change.name,
            change.action,
            None if change.before is None else dict(change.before),
            None if change.after is None else dict(change.after),
            UNSET if change.secret is None or dry_run else change.secret,
        )
        for change in changes
    ]
    return answer(AppliedAnswer(dry_run, listed))
