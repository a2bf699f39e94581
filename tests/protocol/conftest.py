"""Fixtures: a separate database with empty tables for every test, and a folder for artifacts."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from shared.settings import Settings
from shared.store.engine import Sessions, make_engine
from tests.processes import make_settings, migrated_database
from tests.protocol.world import World


@pytest.fixture(scope="session")
def protocol_settings(server_url: str, session_folder: Path) -> Iterator[Settings]:
    folder = session_folder / "protocol"
    with migrated_database(server_url) as url:
        yield make_settings(
            database_url=url,
            database_pool_size=30,
            training_data_folder=folder / "data",
            model_state_folder=folder / "models",
        )


@pytest.fixture(scope="session")
def protocol_sessions(protocol_settings: Settings) -> Iterator[Sessions]:
    sessions = Sessions(make_engine(protocol_settings, "tsad-protocol"))
    yield sessions
    sessions.engine.dispose()


@pytest.fixture
def make_world(protocol_settings: Settings, protocol_sessions: Sessions) -> Callable[[], World]:
    """Return a function that creates an empty world and discards the previous one."""

    def make() -> World:
        with protocol_sessions.begin() as session:
            session.execute(text("TRUNCATE fit_jobs, series, versions, garbage"))
        for folder in (protocol_settings.training_data_folder, protocol_settings.model_state_folder):
            shutil.rmtree(folder, ignore_errors=True)
        return World.of(protocol_sessions, protocol_settings)

    return make


@pytest.fixture
def world(make_world: Callable[[], World]) -> World:
    return make_world()
