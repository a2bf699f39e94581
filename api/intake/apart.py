"""Take large pushes in a child of this process."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.requests import Request

from api.chain.authentication import caller_of
from api.computing.content import Content
from api.intake.taking import for_request
from api.problems import request_id_of

if TYPE_CHECKING:
    from api.services import Services

Result = TypeVar("Result")

START_S = 0.002  # expected time of a push of nothing
TAKE_S_PER_BYTE = 1e-6


async def take_apart(request: Request, content: Content, take: Callable[..., Result], *arguments: Any) -> Result:
    """Return what `take` returns, or raise its error; raise `BusyError` if too much of the caller's key waits.

    take: a function of `api.intake.taking`; the arguments follow the content.
    """
    services: Services = request.app.state.services
    cost_s = START_S + len(content) * TAKE_S_PER_BYTE
    owner, request_id = caller_of(request).key_id, request_id_of(request)
    return await services.lanes.pushing(
        owner, cost_s, for_request, request_id, take, services.pushing, content, *arguments
    )
