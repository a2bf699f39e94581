"""A database of its own, for tests of rounds that concern everything in it."""

from collections.abc import Iterator

import pytest

from shared.settings import Settings
from shared.store.engine import Sessions
from tests.processes import migrated_database, sessions_of


@pytest.fixture(scope="module")
def installation(settings: Settings, server_url: str) -> Iterator[Settings]:
    """A separate database, because the rounds concern all streams."""
    with migrated_database(server_url) as url:
        yield settings.model_copy(update={"database_url": url})


@pytest.fixture(scope="module")
def database(installation: Settings) -> Iterator[Sessions]:
    with sessions_of(installation) as sessions:
        yield sessions
