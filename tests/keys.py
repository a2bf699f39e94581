"""API keys for tests: create them and send them."""

from collections.abc import Callable, Generator
from datetime import datetime
from secrets import token_hex

import httpx

from shared.domain.access import Scope, digest, new_token
from shared.store import keys
from shared.store.engine import Sessions


class Key(httpx.Auth):
    """A key that a client sends with every request."""

    def __init__(self, key_id: str, token: str) -> None:
        self.key_id, self.token = key_id, token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Bearer {self.token}"
        yield request


MakeKey = Callable[..., Key]


def key_maker(database: Sessions) -> MakeKey:
    """Return a function that creates keys in this database, with all scopes unless some are given."""

    def make(*scopes: str, prefix: str = "", expires_at: datetime | None = None) -> Key:
        key = Key(token_hex(6), new_token())
        granted = [Scope(scope) for scope in scopes or Scope]
        with database.begin() as session:
            keys.create(session, key.key_id, "test", granted, prefix, digest(key.token), expires_at)
        return key

    return make
