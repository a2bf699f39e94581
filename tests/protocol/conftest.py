"""A database of the protocol's own, whose tables every test finds empty, and a folder for artifacts."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from shared.settings import Settings
from shared.store.engine import Sessions, make_engine
from shared.store.schema import migrate
from tests.processes import make_settings, new_database
from tests.protocol.world import World


@pytest.fixture(scope="session")
def own_settings(server_url: str, session_folder: Path) -> Iterator[Settings]:
    folder = session_folder / "protocol"
    with new_database(server_url) as url:
        migrate(url)
        yield make_settings(
            database_url=url,
            database_pool_size=30,
            training_data_folder=folder / "data",
            model_state_folder=folder / "models",
        )


@pytest.fixture(scope="session")
def protocol_sessions(own_settings: Settings) -> Iterator[Sessions]:
    made = Sessions(make_engine(own_settings, "tsad-protocol"))
    yield made
    made.engine.dispose()


@pytest.fixture
def make_world(own_settings: Settings, protocol_sessions: Sessions) -> Callable[[], World]:
    """Makes a world in which nothing has happened yet; the one before is no more."""

    def make() -> World:
        with protocol_sessions.begin() as session:
            session.execute(text("TRUNCATE fit_jobs, series, versions, garbage"))
        for folder in (own_settings.training_data_folder, own_settings.model_state_folder):
            shutil.rmtree(folder, ignore_errors=True)
        return World.of(protocol_sessions, own_settings)

    return make


@pytest.fixture
def world(make_world: Callable[[], World]) -> World:
    return make_world()
