"""Access control: API keys, their scopes, and the series that they can see."""

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shared.errors import Code, InputError

_TOKEN = re.compile(r"[\x21-\x7e]{32,200}")
_MIN_DISTINCT_CHARACTERS = 10  # a random token repeats few characters
_PREFIX = "tsad_"  # lets scanners recognize leaked tokens


class Scope(StrEnum):
    """A permission that a route requires of a key. No scope includes another."""

    READ = "read"  # read everything, and predict
    FIT = "fit"  # send fits, cancel and retry their jobs
    WRITE = "write"  # send points, acknowledge and review alerts, mark spans
    ADMIN = "admin"  # configure watches; pin and delete versions, series and points


@dataclass(frozen=True, slots=True)
class Caller:
    """The sender of a request: its key and the permissions of that key."""

    key_id: str  # owner of its jobs; idempotency keys are unique per key id
    scopes: frozenset[Scope]
    series_prefix: str = ""

    def sees(self, series_id: str) -> bool:
        """Check whether the caller can see the series."""
        return series_id.startswith(self.series_prefix)


ANYBODY = Caller("-", frozenset(Scope))  # the caller of every request while no key exists or AUTH is off


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key without its token, which is not stored."""

    key_id: str
    name: str
    scopes: list[str]
    series_prefix: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    active: bool


def new_token() -> str:
    """Create a token with 256 random bits."""
    return _PREFIX + secrets.token_urlsafe(32)


def check_token(token: str) -> str:
    """Return a token that the user chose; raise `InputError` if it does not look random."""
    if not _TOKEN.fullmatch(token) or len(set(token)) < _MIN_DISTINCT_CHARACTERS:
        raise InputError(
            Code.CONFIGURATION,
            "An API key has 32 to 200 visible ASCII characters and looks random. Create one with: "
            "python3 -c 'import secrets; print(secrets.token_urlsafe(32))'",
        )
    return token


def digest(token: str) -> bytes:
    """Hash a token for storage.

    A plain SHA-256 is enough: slow hashes protect passwords that people choose, but 256 random bits cannot be guessed.
    """
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
