"""The kind `webhook`: Standard Webhooks 1.0.0 (https://www.standardwebhooks.com)."""

import base64
import hmac
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256

from shared.domain.watching.messages import sentence_of, text_of
from shared.domain.watching.receivers import secret_key
from shared.store.deliveries import Message

Request = tuple[dict[str, str], bytes]  # headers and body


def request_of(message: Message, secrets: Sequence[str], now: datetime) -> Request:
    """Return the request of a message. Each attempt has the same id, and a new timestamp and signature."""
    document = message.document
    body = json.dumps(
        {
            "type": message.type,
            "timestamp": message.noted_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "data": {"message_id": message.message_id, "sentence": sentence_of(document), "text": text_of(document)}
            | document,
        },
        ensure_ascii=False,
    ).encode()
    timestamp = str(int(now.timestamp()))
    return {
        "Content-Type": "application/json",
        "webhook-id": message.message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(signature(secret, message.message_id, timestamp, body) for secret in secrets),
    }, body


def signature(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    """Return the signature of a message, version 1: HMAC-SHA256 of id, timestamp and body."""
    signed = b".".join((message_id.encode(), timestamp.encode(), body))
    return "v1," + base64.b64encode(hmac.digest(secret_key(secret), signed, sha256)).decode()
