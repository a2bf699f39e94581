"""Fixtures for an API that requires keys, next to the one that requires none."""

from collections.abc import Iterator

import httpx
import pytest

from shared.settings import Settings
from shared.store.engine import Sessions
from tests.keys import Key, MakeKey, key_maker
from tests.processes import migrated_database, serving, sessions_of


@pytest.fixture(scope="session")
def keyed_settings(settings: Settings, server_url: str) -> Iterator[Settings]:
    """A separate database: once a key exists, every request to it needs one."""
    with migrated_database(server_url) as url:
        yield settings.model_copy(update={"database_url": url})


@pytest.fixture(scope="session")
def keyed_sessions(keyed_settings: Settings) -> Iterator[Sessions]:
    with sessions_of(keyed_settings) as sessions:
        yield sessions


@pytest.fixture(scope="session")
def make_key(keyed_sessions: Sessions) -> MakeKey:
    return key_maker(keyed_sessions)


@pytest.fixture(scope="session")
def root(make_key: MakeKey) -> Key:
    """A key with all scopes, for all series."""
    return make_key()


@pytest.fixture(scope="session")
def keyed(keyed_settings: Settings, root: Key) -> Iterator[httpx.Client]:
    with serving(keyed_settings) as client:
        yield client
