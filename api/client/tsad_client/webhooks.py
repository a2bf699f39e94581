"""Verify messages that tsad sends to webhooks: Standard Webhooks 1.0.0."""

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from tsad_client.errors import InvalidWebhookError

PREFIX = "whsec_"
TOLERANCE_S = 300


def verify_webhook(
    secret: str | Sequence[str],
    headers: Mapping[str, str],
    body: bytes | str,
    *,
    tolerance_s: float = TOLERANCE_S,
    now_s: float | None = None,
) -> dict[str, Any]:
    """Return the JSON object of a message, if tsad signed it with one of the secrets in the last five minutes.

    secret: of the receiver, `whsec_…`; several during a rotation. headers and body: of the request as it arrived,
    before any parsing. Raises `InvalidWebhookError`. `webhook-id` is the same for each attempt to deliver a message:
    keep it for a while to ignore repetitions.
    """
    content = body.encode() if isinstance(body, str) else body
    given = {name.lower(): value for name, value in headers.items()}
    try:
        message_id, sent_at, signatures = (given[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))
    except KeyError as error:
        raise InvalidWebhookError(f"The message has no header {error.args[0]}.") from None
    if not sent_at.isascii() or not sent_at.isdecimal():
        raise InvalidWebhookError("The header webhook-timestamp is not a time.")
    age_s = (time.time() if now_s is None else now_s) - int(sent_at)
    if abs(age_s) > tolerance_s:
        direction = "old" if age_s > 0 else "in the future"
        raise InvalidWebhookError(f"The message is {abs(age_s):.0f} s {direction}; {tolerance_s:g} s are allowed.")
    signed = b".".join([message_id.encode(), sent_at.encode(), content])
    secrets = [secret] if isinstance(secret, str) else secret
    expected = [hmac.digest(_key(one), signed, hashlib.sha256) for one in secrets]
    received = [_decoded(text) for text in signatures.split(" ")]
    if not any(hmac.compare_digest(one, other) for one in expected for other in received):
        raise InvalidWebhookError("The signature does not match: another secret, or a changed body.")
    try:
        message = json.loads(content)
    except ValueError:
        message = None
    if not isinstance(message, dict):
        raise InvalidWebhookError("The body is not a JSON object.")
    return message


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise InvalidWebhookError(f"The secret is not valid: it must be {PREFIX} and base64.")
    return key


def _decoded(signature: str) -> bytes:
    """Return the bytes of a signature `v1,…`; none of another version, or if it is not base64."""
    version, _, text = signature.partition(",")
    try:
        return base64.b64decode(text, validate=True) if version == "v1" else b""
    except (binascii.Error, ValueError):
        return b""
