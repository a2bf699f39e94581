"""Messages of webhooks are accepted exactly if tsad signed them a short while ago."""

import base64
import hashlib
import hmac
from typing import Any

import pytest

from tsad_client import InvalidWebhookError, verify_webhook

SECRET, OTHER = "whsec_plJ3nmyCDGBKInavdOK15jsl", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SENT_AT = 1_731_705_121
BODY = b'{"event_type":"ping","data":{"success":true}}'
EXAMPLE = {  # of the specification of Standard Webhooks
    "webhook-id": "msg_loFOjxBNrRLzqYUf",
    "webhook-timestamp": str(SENT_AT),
    "webhook-signature": "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=",
}


def signed(body: bytes, secret: str = SECRET, version: str = "v1") -> dict[str, str]:
    """The headers of a message with this body."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = b".".join([EXAMPLE["webhook-id"].encode(), str(SENT_AT).encode(), body])
    signature = base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
    return {**EXAMPLE, "webhook-signature": f"{version},{signature}"}


@pytest.mark.parametrize(
    ("secret", "headers"),
    [
        (SECRET, EXAMPLE),
        (SECRET, {name.title(): text for name, text in EXAMPLE.items()}),
        ([OTHER, SECRET], EXAMPLE),
        (SECRET, EXAMPLE | {"webhook-signature": f"v1a,x v1,AA== {EXAMPLE['webhook-signature']}"}),
    ],
)
def test_a_signed_message_is_decoded(secret: str | list[str], headers: dict[str, str]) -> None:
    assert verify_webhook(secret, headers, BODY, now_s=SENT_AT + 300) == {
        "event_type": "ping",
        "data": {"success": True},
    }
    assert verify_webhook(secret, headers, BODY.decode(), now_s=SENT_AT - 300)["event_type"] == "ping"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"body": BODY.replace(b"true", b"false")}, "signature does not match"),
        ({"secret": OTHER}, "signature does not match"),
        ({"headers": {**EXAMPLE, "webhook-id": "msg_2"}}, "signature does not match"),
        ({"headers": {**EXAMPLE, "webhook-signature": ""}}, "signature does not match"),
        ({"headers": {**EXAMPLE, "webhook-signature": "v1,"}}, "signature does not match"),
        ({"headers": {**EXAMPLE, "webhook-signature": "v1,é"}}, "signature does not match"),
        ({"headers": signed(BODY, version="v2")}, "signature does not match"),
        ({"headers": {}}, "no header webhook-id"),
        ({"headers": {**EXAMPLE, "webhook-timestamp": "²"}}, "not a time"),
        ({"now_s": SENT_AT + 301}, "301 s old; 300 s are allowed"),
        ({"now_s": SENT_AT - 301}, "301 s in the future"),
        ({"secret": ""}, "secret is not valid"),
        ({"secret": "whsec_é"}, "secret is not valid"),
        ({"body": b"[]", "headers": signed(b"[]")}, "not a JSON object"),
        ({"body": b"\xff", "headers": signed(b"\xff")}, "not a JSON object"),
    ],
)
def test_any_other_message_is_refused(change: dict[str, Any], message: str) -> None:
    arguments = {"secret": SECRET, "headers": EXAMPLE, "body": BODY, "now_s": SENT_AT, **change}
    with pytest.raises(InvalidWebhookError, match=message):
        verify_webhook(**arguments)
