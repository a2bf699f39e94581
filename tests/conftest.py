"""Real servers, and a database, folders and processes that only the tests use."""

import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from shared.artifacts import Artifacts
from shared.embedded import Embedded
from shared.metrics import Metrics, Publisher
from shared.queue import announce, make_celery
from shared.settings import Settings
from shared.store.engine import Sessions
from shared.telemetry import Latencies, connect
from tests.keys import Key, MakeKey, key_maker
from tests.points import ramp
from tests.processes import drop_templates, make_settings, migrated_database, serving, sessions_of
from tests.stores import serving_s3
from tests.waiting import until
from worker import training as trainings

LONGEST = tuple(f"tests/{name}" for name in ("chaos/test_sabotage", "crashes", "cli", "worker", "protocol", "embedded"))
TEST_REDIS_DATABASE = 9  # not 0: the server may have other users


def pytest_xdist_auto_num_workers() -> int:
    """Return three workers for two cores, because a quarter of the time tests wait for processes that they started.

    Each has its own servers; none if the environment names the servers.
    """
    return 0 if os.environ.get("REDIS_URL") or os.environ.get("DATABASE_URL") else min(2, os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the longest modules first, so that no process starts a long one after the other has finished."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))


@pytest.fixture(scope="session")
def session_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="tsad-tests-"))
    folder.chmod(0o711)  # if root starts the embedded servers, they run as another user
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def servers(session_folder: Path) -> Iterator[tuple[str, str]]:
    """URLs of PostgreSQL and Redis: from the environment, else of servers started here."""
    database_url, redis_url = os.environ.pop("DATABASE_URL", ""), os.environ.pop("REDIS_URL", "")
    with Embedded(session_folder / "home", durable=False, postgres=not database_url, valkey=not redis_url) as embedded:
        yield database_url or embedded.database_url, redis_url or embedded.redis_url


@pytest.fixture(scope="session")
def server_url(servers: tuple[str, str]) -> Iterator[str]:
    """URL of PostgreSQL."""
    yield servers[0]
    drop_templates()


@pytest.fixture(scope="session")
def database_url(server_url: str) -> Iterator[str]:
    """A migrated database for the session; each test uses its own series."""
    with migrated_database(server_url) as url:
        yield url


@pytest.fixture(scope="session")
def redis_url(servers: tuple[str, str]) -> Iterator[str]:
    url = servers[1].rsplit("/", 1)[0] + f"/{TEST_REDIS_DATABASE}"
    client = redis.Redis.from_url(url)
    client.flushdb()
    yield url
    client.flushdb()
    client.close()


@pytest.fixture(scope="session")
def settings(database_url: str, redis_url: str, session_folder: Path) -> Settings:
    return make_settings(
        database_url=database_url,
        redis_url=redis_url,
        training_data_folder=session_folder / "data",
        model_state_folder=session_folder / "models",
        reconcile_s=0.5,
        worker_niceness=0,  # tests wait for fits, and other tests keep the cores busy meanwhile
    )


@pytest.fixture(scope="session")
def sessions(settings: Settings) -> Iterator[Sessions]:
    with sessions_of(settings) as sessions:
        yield sessions


@pytest.fixture(scope="module")
def installation(settings: Settings, server_url: str) -> Iterator[Settings]:
    """A separate database, for tests that concern everything in it."""
    with migrated_database(server_url) as url:
        yield settings.model_copy(update={"database_url": url})


@pytest.fixture(scope="module")
def database(installation: Settings) -> Iterator[Sessions]:
    with sessions_of(installation) as sessions:
        yield sessions


@pytest.fixture(scope="session")
def artifacts(settings: Settings) -> Artifacts:
    return Artifacts.of(settings)


@pytest.fixture(scope="session")
def s3() -> Iterator[dict[str, str]]:
    """Settings of an S3 service whose bucket the tests share; each uses its own prefix."""
    with serving_s3() as settings:
        yield settings


@pytest.fixture
def series_id(request: pytest.FixtureRequest) -> str:
    """An id that no other test uses."""
    return re.sub(r"[^A-Za-z0-9]+", "-", request.node.name)[:80] + "-" + secrets.token_hex(4)


def refuse_to_stop() -> None:
    raise AssertionError("the worker asked to stop, which would end the test run")


@pytest.fixture(scope="session")
def training(settings: Settings, sessions: Sessions, artifacts: Artifacts) -> Iterator[trainings.Training]:
    """Everything a worker needs to fit, for tests that fit in their own process."""
    latencies = Latencies(connect(settings.redis), settings.latency_history_limit)
    metrics = Metrics()
    publisher = Publisher(metrics, connect(settings.redis))
    app = make_celery(settings.redis, consumes=False)
    yield trainings.Training(
        sessions,
        artifacts,
        latencies,
        metrics,
        lambda job_id: announce(app, [job_id]),
        settings,
        "in-test",
        refuse_to_stop,
    )
    latencies.close()
    publisher.close()
    app.close()


@pytest.fixture(scope="session")
def api(settings: Settings) -> Iterator[httpx.Client]:
    with serving(settings) as client:
        yield client


@pytest.fixture
def fitted(api: httpx.Client, training: trainings.Training) -> Callable[..., str]:
    """Return a function that fits a series with the worker's code in this process, and returns the job id."""

    def fit(series_id: str, body: dict[str, Any] | None = None) -> str:
        job_id: str = api.post(f"/fit/{series_id}", json=body or ramp()).json()["job_id"]
        trainings.run(training, job_id)
        until(lambda: api.get(f"/jobs/{job_id}").json()["status"] not in ("queued", "running"))
        return job_id

    return fit


@pytest.fixture
def trained(series_id: str, fitted: Callable[..., str]) -> str:
    """Id of a series with one version."""
    fitted(series_id)
    return series_id


# --- an API that requires keys, next to the one that requires none ---------------------------------------------------


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
