"""Who may do what: keys, their scopes, and the series they see."""

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shared.errors import Code, InputError

_TOKEN = re.compile(r"[\x21-\x7e]{32,200}")
_FEWEST_CHARACTERS = 10  # different ones: who repeats a word has not let chance choose
_BEGINNING = "tsad_"  # so that scanners for leaked secrets can tell what it is


class Scope(StrEnum):
    """What a route asks of a key. None includes another."""

    READ = "read"  # look at everything, and predict
    FIT = "fit"  # send fits, cancel and retry their jobs
    ADMIN = "admin"  # choose and delete what others rely on


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever sent a request: the key it came with, and what that key allows."""

    key_id: str  # the owner of jobs, and the scope of idempotency keys
    scopes: frozenset[Scope]
    series_prefix: str = ""

    def sees(self, series_id: str) -> bool:
        """Whether the series exists for this caller."""
        return series_id.startswith(self.series_prefix)


ANYBODY = Caller("-", frozenset(Scope))  # while there are no keys, or nobody asks for them


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as its owner may see it: everything but the token, which nobody keeps."""

    key_id: str
    name: str
    scopes: list[str]
    series_prefix: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    active: bool


def new_token() -> str:
    """A secret of 256 random bits."""
    return _BEGINNING + secrets.token_urlsafe(32)


def check_token(token: str) -> str:
    """Return a token that somebody else made; `InputError` when it looks like no random one."""
    if not _TOKEN.fullmatch(token) or len(set(token)) < _FEWEST_CHARACTERS:
        raise InputError(
            Code.CONFIGURATION,
            "A key is 32 to 200 random visible ASCII characters, as made by: "
            "python3 -c 'import secrets; print(secrets.token_urlsafe(32))'",
        )
    return token


def digest(token: str) -> bytes:
    """What is stored of a token.

    A plain hash: slow ones protect what people make up, and 256 random bits cannot be guessed from it anyway.
    """
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
