from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from shared.domain.watching.watches import parse
from shared.settings import Settings
from shared.store import watches
from shared.store.engine import Sessions, make_engine
from tests.crashes.stack import Stack
from tests.processes import make_settings, migrated_database


@pytest.fixture(scope="module")
def crash_settings(server_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings whose leases, intervals and grace periods take seconds."""
    folder = tmp_path_factory.mktemp("crashes")
    empty_redis = redis_url.rsplit("/", 1)[0] + "/7"
    client = redis.Redis.from_url(empty_redis)
    client.flushdb()
    with migrated_database(server_url) as url:
        yield make_settings(
            database_url=url,
            redis_url=empty_redis,
            training_data_folder=folder / "artifacts/data",
            model_state_folder=folder / "artifacts/models",
            lease_s=3,
            heartbeat_s=0.3,
            reconcile_s=0.1,
            collect_s=0.1,
            accept_window_s=3,
            garbage_grace_s=4,
            keep_versions=100,
            worker_concurrency=4,
            worker_niceness=0,
            database_pool_size=4,
        )
    client.flushdb()
    client.close()


@pytest.fixture(scope="module")
def stack(crash_settings: Settings) -> Iterator[Stack]:
    sessions = Sessions(make_engine(crash_settings, "tsad-tests"))
    with sessions.begin() as session:  # so that the reconciler looks for automatic versions, too
        watches.put(session, parse("w", {"prefix": "", "keep_versions": 100}, max_window_s=1e9))
    stack = Stack(crash_settings, sessions, Path(crash_settings.training_data_folder).parents[1])
    yield stack
    stack.client.close()
    sessions.engine.dispose()
