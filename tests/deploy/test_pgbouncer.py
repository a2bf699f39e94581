"""All processes behind a pooler that assigns connections per transaction."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg2
import pytest

from shared.settings import Settings
from shared.store.engine import Sessions, make_engine
from shared.store.schema import migrate
from tests.deploy.proxies import pgbouncer
from tests.points import ramp
from tests.processes import new_database, serving
from worker.training import Training, run


@pytest.fixture(scope="module")
def pooled(settings: Settings, server_url: str, session_folder: Path) -> Iterator[Settings]:
    with new_database(server_url) as url, pgbouncer(url, session_folder) as pool:
        migrate(pool)
        yield settings.model_copy(update={"database_url": pool})


def setting_values(pooled: Settings, name: str) -> set[str]:
    """Return the values of a setting on all connections of the pool, read at the same time."""
    url = pooled.database.replace("+psycopg2", "")
    with (
        closing(psycopg2.connect(url)) as first,
        closing(psycopg2.connect(url)) as second,
        closing(psycopg2.connect(url)) as third,
    ):
        values: set[str] = set()
        for connection in (first, second, third):  # each keeps its transaction, and therefore its connection
            cursor = connection.cursor()
            cursor.execute(f"SHOW {name}")
            values |= {row[0] for row in cursor.fetchall()}
        return values


def test_a_migration_leaves_no_setting_on_a_pooled_connection(pooled: Settings) -> None:
    assert setting_values(pooled, "lock_timeout") == {"0"}


def test_statement_timeouts_are_the_same_behind_a_pooler(pooled: Settings) -> None:
    seconds = f"{pooled.database_statement_timeout_s:.0f}s"
    assert setting_values(pooled, "statement_timeout") == {seconds}
    assert setting_values(pooled, "idle_in_transaction_session_timeout") == {seconds}


def test_more_clients_than_connections_fit_and_predict(pooled: Settings, training: Training) -> None:
    sessions = Sessions(make_engine(pooled, "tsad-tests"))
    pooled_training = replace(training, sessions=sessions, settings=pooled)
    with serving(pooled) as api, ThreadPoolExecutor(16) as pool:
        names = [f"s{place}" for place in range(32)]
        jobs = list(pool.map(lambda name: api.post(f"/fit/{name}", json=ramp()).json()["job_id"], names))
        list(pool.map(lambda job_id: run(pooled_training, job_id), jobs))
        point = {"timestamp": 10**9, "value": 1}
        answers = list(pool.map(lambda name: api.post(f"/predict/{name}", json=point).json(), names * 4))
        assert {answer["model_version"] for answer in answers} == {"1"}
    sessions.engine.dispose()
