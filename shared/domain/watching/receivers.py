"""A receiver: where messages about alerts go."""

import base64
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any
from urllib.parse import SplitResult, urlsplit

from shared.domain.watching import addresses
from shared.domain.watching.addresses import Network
from shared.domain.watching.alerts import Notice
from shared.domain.watching.documents import NAME, Reader
from shared.errors import Code, Flaw, InputError

FIELDS = ("kind", "url", "url_env", "types", "min_score")
VARIABLE_PREFIX = "TSAD_RECEIVER_"  # other variables hold the secrets of this service
MAX_URL = 2_000
_VARIABLE = re.compile(VARIABLE_PREFIX + r"[A-Z0-9_]{1,100}")
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]")
_SECRET_PREFIX = "whsec_"  # noqa: S105 - as Standard Webhooks writes secrets
_SECRET_BYTES = 24


class ReceiverKind(StrEnum):
    """What a receiver understands."""

    WEBHOOK = "webhook"  # Standard Webhooks
    ALERTMANAGER = "alertmanager"  # version 2 of its API
    SLACK = "slack"  # incoming webhooks of Slack, Mattermost and Rocket.Chat


@dataclass(frozen=True, slots=True)
class Receiver:
    """A valid receiver. Either `url` or `url_env` is set."""

    name: str
    kind: ReceiverKind
    url: str | None = None
    url_env: str | None = None  # the environment variable of the outbound process that holds the URL
    types: tuple[Notice, ...] = tuple(Notice)
    min_score: float | None = None  # of deviations whose opening and escalation are reported

    def document(self) -> dict[str, Any]:
        """Return the complete document, in which the URL may be a secret."""
        return {
            "kind": self.kind,
            "url": self.url,
            "url_env": self.url_env,
            "types": list(self.types),
            "min_score": self.min_score,
        }


def check_receiver_name(name: str) -> str:
    """Return the name of a receiver; raise `InputError` if it is invalid."""
    if not NAME.fullmatch(name):
        reason = "The name of a receiver has 1 to 100 letters, digits, dots, dashes and underscores."
        raise InputError(Code.INVALID_RECEIVER, reason, flaws=[Flaw(("name",), reason)])
    return name


def parse_receiver(name: str, document: Any, *, allowed: Sequence[Network] = ()) -> Receiver:
    """Return the receiver of a document; raise an `InputError` that names each wrong field.

    allowed: the networks of EGRESS_ALLOW. A host name is only resolved when a message is sent.
    """
    reader = Reader(Code.INVALID_RECEIVER, "The receiver")
    fields = reader.fields(document, (), FIELDS)
    url, variable = fields.get("url"), fields.get("url_env")
    if (url is None) == (variable is None):
        reader.flaw(("url",), "or url_env must be given, but not both")
    elif variable is not None and not (isinstance(variable, str) and _VARIABLE.fullmatch(variable)):
        reader.flaw(("url_env",), f"must be the name of an environment variable that begins with {VARIABLE_PREFIX}")
    elif variable is None and (reason := url_flaw(url, allowed)):
        reader.flaw(("url",), reason)
    if "kind" not in fields:
        reader.flaw(("kind",), f"must be one of {', '.join(ReceiverKind)}")
    receiver = Receiver(
        name=name,
        kind=ReceiverKind(reader.choice(fields, ("kind",), tuple(ReceiverKind))),
        url=url,
        url_env=variable,
        types=_types(reader, fields),
        min_score=reader.number(fields, ("min_score",), None, 0.0),
    )
    reader.check()
    return receiver


def url_flaw(url: object, allowed: Sequence[Network], *, with_login: bool = False) -> str | None:
    """Return what is wrong with the URL of a receiver, without the URL itself.

    with_login: whether it may hold a user and a password.
    """
    parts = _split(url)
    if parts is None:
        return f"must begin with https:// or http://, name a host, and have at most {MAX_URL:,} printable characters"
    if (parts.username is not None or parts.password is not None) and not with_login:
        return f"must not hold a password: put such a URL into an environment variable {VARIABLE_PREFIX}… and name it"
    address = addresses.literal(parts.hostname or "")
    reason = addresses.refusal(address, allowed) if address else None
    if reason:
        return f"names the address {address}, which is refused ({reason}): add it to EGRESS_ALLOW, or use another"
    return None


def shown_url(url: str) -> str:
    """Return a URL as people may see it: its path may be a secret, as in the webhooks of Slack."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}/" + ("…" if parts.path.strip("/") or parts.query else "")


def fingerprint(url: str) -> str:
    """Return a text that is the same for the same URL and does not reveal it."""
    return sha256(url.encode()).hexdigest()[:16]


def new_secret() -> str:
    """Create a secret of a webhook, with 192 random bits."""
    return _SECRET_PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def secret_key(secret: str) -> bytes:
    """Return the key that a secret stands for."""
    return base64.b64decode(secret.removeprefix(_SECRET_PREFIX))


def _split(url: object) -> SplitResult | None:
    if not isinstance(url, str) or len(url) > MAX_URL or not url.isascii() or not url.isprintable() or " " in url:
        return None
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    host = parts.netloc.rpartition("@")[2]
    if parts.port is not None:
        host = host.rpartition(":")[0]
    return parts if parts.scheme in ("https", "http") and _HOST.fullmatch(host.removesuffix(":")) else None


def _types(reader: Reader, fields: Mapping[str, Any]) -> tuple[Notice, ...]:
    values = fields.get("types")
    if values is None:
        return tuple(Notice)
    if not isinstance(values, list) or not values or not set(map(str, values)) <= set(Notice):
        reader.flaw(("types",), f"must list some of {', '.join(Notice)}")
        return tuple(Notice)
    if set(values) == {Notice.CLOSED}:
        reader.flaw(
            ("types",), "must not be alert.closed alone: the end of an alert is reported to those who know of it"
        )
    return tuple(notice for notice in Notice if notice in values)
