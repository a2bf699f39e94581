"""An API that asks for keys, beside the one that needs none."""

from collections.abc import Iterator

import httpx
import pytest

from shared.settings import Settings
from shared.store.engine import Sessions
from shared.store.schema import migrate
from tests.keys import Key, MakeKey, maker
from tests.processes import new_database, serving, sessions_of


@pytest.fixture(scope="session")
def own(settings: Settings, server_url: str) -> Iterator[Settings]:
    """A database of its own: with the first key, everybody needs one."""
    with new_database(server_url) as url:
        migrate(url)
        yield settings.model_copy(update={"database_url": url})


@pytest.fixture(scope="session")
def database(own: Settings) -> Iterator[Sessions]:
    with sessions_of(own) as made:
        yield made


@pytest.fixture(scope="session")
def make_key(database: Sessions) -> MakeKey:
    return maker(database)


@pytest.fixture(scope="session")
def root(make_key: MakeKey) -> Key:
    """A key of all scopes and series."""
    return make_key()


@pytest.fixture(scope="session")
def keyed(own: Settings, root: Key) -> Iterator[httpx.Client]:
    with serving(own) as client:
        yield client
