from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest
import redis

from shared.settings import Settings
from shared.store.engine import Sessions
from shared.store.schema import migrate
from tests.cli.commands import Ended, Tsad, run
from tests.processes import new_database, sessions_of

OWN_REDIS_DATABASE = 3


@pytest.fixture
def tsad(api: httpx.Client) -> Tsad:
    """The command, told where the tests' API is."""
    return partial(run, TSAD_URL=str(api.base_url))


@pytest.fixture
def own(settings: Settings, server_url: str, redis_url: str, tmp_path: Path) -> Iterator[Settings]:
    """An installation that no other test uses: migrated, empty, and nothing runs."""
    own_redis = redis_url.rsplit("/", 1)[0] + f"/{OWN_REDIS_DATABASE}"
    with new_database(server_url) as url, redis.Redis.from_url(own_redis) as client:
        migrate(url)
        yield settings.model_copy(
            update={
                "database_url": url,
                "redis_url": own_redis,
                "training_data_folder": tmp_path / "artifacts" / "data",
                "model_state_folder": tmp_path / "artifacts" / "models",
            }
        )
        client.flushdb()


@pytest.fixture
def own_sessions(own: Settings) -> Iterator[Sessions]:
    with sessions_of(own) as made:
        yield made


@pytest.fixture
def operate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Tsad:
    """The command on the installation that is given first."""
    monkeypatch.chdir(tmp_path)  # away from any .env
    for name in ("DATABASE_URL", "REDIS_URL", "TSAD_HOME"):
        monkeypatch.delenv(name, raising=False)

    def on(settings: Settings, *arguments: str, **environment: str) -> Ended:
        names = ("database_url", "redis_url", "training_data_folder", "model_state_folder")
        values = {name.upper(): str(getattr(settings, name)) for name in names}
        return run(*arguments, **{**values, **environment})

    return on
