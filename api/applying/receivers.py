"""Check and store a receiver of messages."""

from collections.abc import Mapping
from typing import Any

from shared.domain.access import Caller
from shared.domain.watching.receivers import (
    Receiver,
    ReceiverKind,
    check_receiver_name,
    new_secret,
    parse_receiver,
)
from shared.errors import AccessError, Code
from shared.settings import Settings
from shared.store import receivers
from shared.store.engine import Session
from shared.store.receivers import StoredReceiver
from shared.urls import networks


def check_caller(caller: Caller) -> None:
    """Raise `AccessError` for a key with a prefix: a receiver gets alerts of all series that watches send to it."""
    if caller.series_prefix:
        raise AccessError(Code.FORBIDDEN, "Receivers need a key with the scope admin that sees all series.")


def check_receiver(settings: Settings, name: str, document: Any) -> Receiver:
    """Return the receiver of a document; raise an `InputError` that names each wrong field."""
    return parse_receiver(check_receiver_name(name), document, allowed=networks(settings.egress_allow))


def store_receiver(session: Session, receiver: Receiver) -> str | None:
    """Create or change a receiver, and return the secret of a new webhook."""
    secret = new_secret() if receiver.kind == ReceiverKind.WEBHOOK else None
    return secret if receivers.put(session, receiver, secret) else None


def shown(stored: StoredReceiver) -> Mapping[str, Any]:
    """Return the document of a receiver, with a hash instead of the part of the URL that may be a secret."""
    document = stored.receiver.document() | {"url": stored.url}
    return document if stored.fingerprint is None else document | {"url_sha256": stored.fingerprint}
