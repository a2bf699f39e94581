"""Receivers of messages: configure, try and resume them, and look at what was sent.

Only keys without a prefix may, because a receiver gets alerts of all series that watches send to it.
"""

from typing import Annotated
from uuid import uuid4

import msgspec
from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from api.applying.receivers import check_caller, check_receiver, store_receiver
from api.dependencies import CallerOf, Content, Limit, ServicesOf, answer
from api.openapi import operation
from api.schemas.decoding import decode
from api.schemas.receivers import DeliveryAnswer, DeliveryPage, ReceiverAnswer, ReceiverBody, ReceiverList
from shared.domain.access import Scope
from shared.domain.watching.messages import TEST, test_document
from shared.domain.watching.receivers import check_receiver_name, new_secret
from shared.errors import Code, InputError, NotFoundError, TsadError
from shared.store import deliveries, inspection, receivers

_DOCUMENT = msgspec.json.Decoder()
LARGEST_ID = 2**63 - 1


def _unlimited(caller: CallerOf) -> None:
    check_caller(caller)


def _name(name: str) -> str:
    return check_receiver_name(name)


def _delivery_id(delivery_id: str) -> int:
    number = int(delivery_id) if delivery_id.isascii() and delivery_id.isdigit() and len(delivery_id) < 20 else 0
    if not 0 < number <= LARGEST_ID:
        raise deliveries.not_found()
    return number


def _before(
    cursor: Annotated[str | None, Query(max_length=200, description="next_cursor of the previous page")] = None,
) -> int | None:
    if cursor is None:
        return None
    try:
        return _delivery_id(cursor)
    except NotFoundError:
        raise InputError(Code.INVALID_CURSOR, "The cursor is not one that this list returned.") from None


router = APIRouter(tags=["receivers"], dependencies=[Depends(_unlimited)])
Name = Annotated[str, Depends(_name)]
DeliveryId = Annotated[int, Depends(_delivery_id)]
Before = Annotated[int | None, Depends(_before)]


@router.get("/receivers", **operation(ReceiverList, scope=Scope.ADMIN))
def list_receivers(services: ServicesOf) -> Response:
    """List the receivers, ordered by name."""
    with services.sessions.begin() as session:
        return answer(ReceiverList([ReceiverAnswer.of(stored) for stored in receivers.read(session)]))


@router.get("/receivers/{name}", **operation(ReceiverAnswer, scope=Scope.ADMIN))
def get_receiver(services: ServicesOf, name: Name) -> Response:
    """Return one receiver, without its secrets."""
    with services.sessions.begin() as session:
        return answer(ReceiverAnswer.of(receivers.find(session, name)))


@router.put("/receivers/{name}", **operation(ReceiverAnswer, scope=Scope.ADMIN, body=ReceiverBody))
def put_receiver(services: ServicesOf, name: Name, content: Content) -> Response:
    """Create or change a receiver. A new webhook gets a secret, which only this answer shows.

    Doing so again changes nothing.
    """
    receiver = check_receiver(services.settings, name, decode(_DOCUMENT, content))
    with services.sessions.begin() as session:
        secret = store_receiver(session, receiver)
        return answer(ReceiverAnswer.of(receivers.find(session, name), secret))


@router.delete("/receivers/{name}", **operation(None, scope=Scope.ADMIN, status=204))
def delete_receiver(services: ServicesOf, name: Name) -> Response:
    """Delete a receiver that no watch names, and its deliveries."""
    with services.sessions.begin() as session:
        receivers.find(session, name)
        receivers.delete(session, name)
    return Response(status_code=204)


@router.post("/receivers/{name}/rotate", **operation(ReceiverAnswer, scope=Scope.ADMIN))
def rotate_receiver(services: ServicesOf, name: Name) -> Response:
    """Replace the secret of a webhook; only this answer shows the new one. For a day, both sign each message."""
    secret = new_secret()
    with services.sessions.begin() as session:
        receivers.find(session, name)
        if not receivers.rotate(session, name, secret):
            raise TsadError(Code.NO_SECRET, "Only receivers of the kind webhook have a secret.")
        return answer(ReceiverAnswer.of(receivers.find(session, name), secret))


@router.post("/receivers/{name}/resume", **operation(ReceiverAnswer, scope=Scope.ADMIN))
def resume_receiver(services: ServicesOf, name: Name) -> Response:
    """Enable a disabled receiver, and send what waits for it now."""
    with services.sessions.begin() as session:
        receivers.find(session, name)
        receivers.resume(session, name)
        return answer(ReceiverAnswer.of(receivers.find(session, name)))


@router.post("/receivers/{name}/test", **operation(DeliveryAnswer, scope=Scope.ADMIN, status=202))
def send_test(services: ServicesOf, name: Name) -> Response:
    """Send a test message. The list of deliveries shows what became of it."""
    with services.sessions.begin() as session:
        if receivers.find(session, name).disabled:
            sentence = f"The receiver is disabled. Enable it with POST /receivers/{name}/resume."
            raise TsadError(Code.RECEIVER_DISABLED, sentence)
        now = inspection.clock(session)
        message_id = f"{TEST}.{uuid4()}"
        delivery_id = deliveries.add(
            session, name, message_id, TEST, test_document(name), watch=None, noted_at=now, now=now
        )
        deliveries.wake(session, [name], now, retry=True)
        if delivery_id is None:  # the receiver was deleted meanwhile
            raise receivers.not_found()
        return answer(DeliveryAnswer.of(deliveries.find(session, delivery_id)), 202)


@router.get("/receivers/{name}/deliveries", **operation(DeliveryPage, scope=Scope.ADMIN))
def list_deliveries(services: ServicesOf, name: Name, before: Before, limit: Limit = 50) -> Response:
    """List the messages to a receiver, newest first."""
    with services.sessions.begin() as session:
        receivers.find(session, name)
        found = deliveries.newest(session, name, limit + 1, before)
    next_cursor = str(found[limit - 1].id) if len(found) > limit else None
    return answer(DeliveryPage([DeliveryAnswer.of(delivery) for delivery in found[:limit]], next_cursor))


@router.post("/deliveries/{delivery_id}/replay", **operation(DeliveryAnswer, scope=Scope.ADMIN, status=202))
def replay_delivery(services: ServicesOf, delivery_id: DeliveryId) -> Response:
    """Send a message again, with the same id. One that still waits stays as it is."""
    with services.sessions.begin() as session:
        found = deliveries.find(session, delivery_id)
        deliveries.replay(session, delivery_id)
        deliveries.wake(session, [found.receiver], inspection.clock(session), retry=True)
        return answer(DeliveryAnswer.of(deliveries.find(session, delivery_id)), 202)
