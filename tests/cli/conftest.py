from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx
import pytest
import redis

from shared.artifacts import Artifacts
from shared.settings import Settings
from shared.store.engine import Sessions
from tests.cli.commands import Result, Tsad, run
from tests.processes import migrated_database, sessions_of
from worker.training import Training

REDIS_DATABASE = 3


@pytest.fixture
def tsad(api: httpx.Client) -> Tsad:
    """The `tsad` command with the URL of the test API."""
    return partial(run, TSAD_URL=str(api.base_url))


@pytest.fixture
def installation(settings: Settings, server_url: str, redis_url: str, tmp_path: Path) -> Iterator[Settings]:
    """A migrated, empty installation for one test, without running processes."""
    empty_redis = redis_url.rsplit("/", 1)[0] + f"/{REDIS_DATABASE}"
    with migrated_database(server_url) as url, redis.Redis.from_url(empty_redis) as client:
        yield settings.model_copy(
            update={
                "database_url": url,
                "redis_url": empty_redis,
                "training_data_folder": tmp_path / "artifacts" / "data",
                "model_state_folder": tmp_path / "artifacts" / "models",
            }
        )
        client.flushdb()


@pytest.fixture
def installation_sessions(installation: Settings) -> Iterator[Sessions]:
    with sessions_of(installation) as sessions:
        yield sessions


@pytest.fixture
def installation_training(installation: Settings, installation_sessions: Sessions, training: Training) -> Training:
    """Everything that a worker of the installation needs."""
    artifacts = Artifacts.of(installation)
    return replace(training, sessions=installation_sessions, artifacts=artifacts, settings=installation)


@pytest.fixture
def operate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Tsad:
    """Run the `tsad` command on the installation whose settings are the first argument."""
    monkeypatch.chdir(tmp_path)  # away from any .env
    for name in ("DATABASE_URL", "REDIS_URL", "TSAD_HOME"):
        monkeypatch.delenv(name, raising=False)

    def run_on(settings: Settings, *arguments: str, **environment: str) -> Result:
        names = ("database_url", "redis_url", "training_data_folder", "model_state_folder")
        values = {name.upper(): str(getattr(settings, name)) for name in names}
        return run(*arguments, **{**values, **environment})

    return run_on
