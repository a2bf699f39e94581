"""The kind `slack`: incoming webhooks of Slack, which Mattermost and Rocket.Chat understand, too.

Everything is in `text`, because the three differ in all other fields.
"""

import json

from shared.domain.watching.messages import text_of
from shared.store.deliveries import Message


def request_of(message: Message) -> tuple[dict[str, str], bytes]:
    """Return the headers and the body of a message."""
    return {"Content-Type": "application/json"}, json.dumps({"text": escaped(text_of(message.document))}).encode()


def escaped(text: str) -> str:
    """Return text as Slack writes it: an id of a series is never read as a link or a mention."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
