"""Bodies of requests and responses about receivers of messages and their deliveries."""

from typing import Annotated

from msgspec import Struct

from api.schemas.jobs import Moment, one_of
from api.schemas.requests import Body
from shared.domain.watching.alerts import Notice
from shared.domain.watching.receivers import ReceiverKind
from shared.store.deliveries import Delivery
from shared.store.receivers import StoredReceiver

STATUSES = ("waiting", "delivered", "given_up")


class ReceiverBody(Body):
    """A receiver: kind, and either `url` or `url_env`. The other fields have defaults."""

    kind: Annotated[str, one_of(*ReceiverKind)]
    url: str | None = None
    url_env: str | None = None
    types: list[Annotated[str, one_of(*Notice)]] | None = None
    min_score: float | None = None


class ReceiverAnswer(Struct, kw_only=True, omit_defaults=True):
    """A receiver, and how its messages fare. Only the answer that creates a secret shows it."""

    name: str
    kind: Annotated[str, one_of(*ReceiverKind)]
    url: str | None
    url_sha256: str | None
    url_env: str | None
    types: list[str]
    min_score: float | None
    disabled: str | None
    waiting: int
    failures: int
    error: str | None
    failed_at: Moment | None
    succeeded_at: Moment | None
    created_at: Moment
    secret: str | None = None

    @classmethod
    def of(cls, stored: StoredReceiver, secret: str | None = None) -> "ReceiverAnswer":
        """Convert a receiver. secret: the one that was created for this answer."""
        receiver = stored.receiver
        return cls(
            name=receiver.name,
            kind=receiver.kind,
            url=stored.url,
            url_sha256=stored.fingerprint,
            url_env=receiver.url_env,
            types=list(receiver.types),
            min_score=receiver.min_score,
            disabled=stored.disabled,
            waiting=stored.waiting,
            failures=stored.failures,
            error=stored.error,
            failed_at=stored.failed_at,
            succeeded_at=stored.succeeded_at,
            created_at=stored.created_at,
            secret=secret,
        )


class ReceiverList(Struct):
    """All receivers, ordered by name."""

    receivers: list[ReceiverAnswer]


class DeliveryAnswer(Struct):
    """A message to a receiver."""

    delivery_id: int
    receiver: str
    message_id: str
    type: str
    watch: str | None
    status: Annotated[str, one_of(*STATUSES)]
    attempts: int
    error: str | None
    queued_at: Moment
    attempted_at: Moment | None
    ended_at: Moment | None

    @classmethod
    def of(cls, delivery: Delivery) -> "DeliveryAnswer":
        """Convert a delivery."""
        return cls(
            delivery_id=delivery.id,
            receiver=delivery.receiver,
            message_id=delivery.message_id,
            type=delivery.type,
            watch=delivery.watch,
            status=delivery.status,
            attempts=delivery.attempts,
            error=delivery.error,
            queued_at=delivery.queued_at,
            attempted_at=delivery.attempted_at,
            ended_at=delivery.ended_at,
        )


class DeliveryPage(Struct):
    """Deliveries, newest first; `next_cursor` is the cursor of the next page."""

    deliveries: list[DeliveryAnswer]
    next_cursor: str | None
