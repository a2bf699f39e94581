from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from shared.artifacts import Artifacts, Key, LocalFolder
from shared.metrics import Metrics
from shared.queue import QUEUE, make_celery, messages_waiting
from shared.settings import Settings
from shared.store import attempts, reconciliation
from shared.store.engine import Sessions, make_engine
from shared.telemetry import connect
from tests.points import ramp
from tests.processes import separate_settings, serving
from tests.waiting import until
from worker.reconciling import MAX_CRASHES, Reconciler
from worker.reconciling import run as keep_reconciling
from worker.training import Training, run


@pytest.fixture
def reconciler_settings(settings: Settings, server_url: str) -> Iterator[Settings]:
    """Settings with a database and Redis of their own."""
    with separate_settings(settings, server_url, 6) as separated:
        yield separated.model_copy(update={"heartbeat_s": 0.001})


@pytest.fixture
def api(reconciler_settings: Settings) -> Iterator[httpx.Client]:
    """An API that publishes to another Redis, so that the tests count only messages of the reconciler."""
    other_redis = reconciler_settings.redis.rsplit("/", 1)[0] + "/11"
    with serving(reconciler_settings.model_copy(update={"redis_url": other_redis})) as client:
        yield client


@pytest.fixture
def reconciler(reconciler_settings: Settings) -> Iterator[Reconciler]:
    sessions = Sessions(make_engine(reconciler_settings, "tsad-tests"))
    app = make_celery(reconciler_settings.redis, consumes=False)
    yield Reconciler(
        sessions,
        Artifacts.of(reconciler_settings),
        app,
        connect(reconciler_settings.redis),
        Metrics(),
        reconciler_settings,
    )
    sessions.engine.dispose()
    app.close()


@pytest.fixture
def local_training(training: Training, reconciler: Reconciler) -> Training:
    return replace(training, sessions=reconciler.sessions, settings=reconciler.settings, announce=lambda _: None)


def execute(reconciler: Reconciler, statement: str) -> None:
    with reconciler.sessions.begin() as session:
        session.execute(text(statement))


def fit(api: httpx.Client, series_id: str = "a") -> str:
    return str(api.post(f"/fit/{series_id}", json=ramp()).json()["job_id"])


def job(api: httpx.Client, job_id: str) -> Any:
    return api.get(f"/jobs/{job_id}").json()


def abandon(reconciler: Reconciler, job_id: str) -> None:
    """Claim the job as a worker that dies."""
    with reconciler.sessions.begin() as session:
        session.execute(text("UPDATE fit_jobs SET available_at = clock_timestamp() WHERE status = 'queued'"))
    with reconciler.sessions.begin() as session:
        assert attempts.claim(session, job_id, "doomed", 0.0)


OUTCOMES = ("queued", "failed")


def test_the_job_of_a_dead_worker_is_requeued_and_announced(
    reconciler: Reconciler, local_training: Training, api: httpx.Client
) -> None:
    job_id = fit(api)
    abandon(reconciler, job_id)
    reconciler.redis.flushdb()
    reconciler.round()
    assert job(api, job_id)["status"] == "queued"
    assert messages_waiting(reconciler.redis) == 1
    run(local_training, job_id)
    assert job(api, job_id)["attempts"] == 2
    assert job(api, job_id)["status"] == "succeeded"


def test_a_job_whose_workers_keep_dying_fails_and_unblocks_the_next_one(
    reconciler: Reconciler, local_training: Training, api: httpx.Client
) -> None:
    poison, next_job_id = fit(api), fit(api)
    run(local_training, next_job_id)  # too early
    for _ in range(MAX_CRASHES):
        abandon(reconciler, poison)
        reconciler.redis.flushdb()
        reconciler.round()
    failed = job(api, poison)
    assert (failed["status"], failed["error"]["code"], failed["error"]["retryable"]) == ("failed", "worker_lost", True)
    announcements = [message for message in reconciler.redis.lrange(QUEUE, 0, -1) if next_job_id.encode() in message]
    assert announcements
    rescues = {
        outcome: reconciler.metrics.registry.get_sample_value("tsad_rescues_total", {"into": outcome})
        for outcome in OUTCOMES
    }
    assert rescues == {"queued": MAX_CRASHES - 1, "failed": 1}
    run(local_training, next_job_id)
    assert job(api, next_job_id)["version"] == "1"


def test_a_job_with_a_valid_lease_is_left_alone(reconciler: Reconciler, api: httpx.Client) -> None:
    job_id = fit(api)
    with reconciler.sessions.begin() as session:
        assert attempts.claim(session, job_id, "alive", 60)
    reconciler.round()
    assert job(api, job_id)["status"] == "running"


def test_only_lost_messages_are_sent_again(reconciler: Reconciler, api: httpx.Client) -> None:
    job_id = fit(api)
    reconciler.round()
    waiting = messages_waiting(reconciler.redis)
    assert waiting is not None
    assert waiting <= 1
    reconciler.redis.flushdb()
    execute(reconciler, "UPDATE fit_jobs SET announced_at = announced_at - interval '3 s'")
    reconciler.round()
    (message,) = reconciler.redis.lrange(QUEUE, 0, -1)
    assert job_id.encode() in message
    reconciler.round()
    assert messages_waiting(reconciler.redis) == 1


def test_no_message_is_repeated_while_as_many_messages_wait_as_jobs_are_due(
    reconciler: Reconciler, api: httpx.Client
) -> None:
    for number in range(5):
        fit(api, f"series-{number}")
    fit(api, "series-0")  # not due: the other job of its series is first
    for _ in range(3):
        execute(reconciler, "UPDATE fit_jobs SET announced_at = announced_at - interval '1 hour'")
        reconciler.round()
        assert messages_waiting(reconciler.redis) == 5
    reconciler.redis.lpop(QUEUE)
    execute(reconciler, "UPDATE fit_jobs SET announced_at = announced_at - interval '1 hour'")
    reconciler.round()
    reconciler.round()
    assert messages_waiting(reconciler.redis) == 5
    execute(reconciler, "UPDATE fit_jobs SET announced_at = NULL WHERE series_id = 'series-1'")
    reconciler.round()
    assert messages_waiting(reconciler.redis) == 6  # the worker dropped its message, or there never was one


def test_messages_that_redis_does_not_take_are_sent_by_the_next_round(
    reconciler: Reconciler, api: httpx.Client
) -> None:
    for number in range(3):
        fit(api, f"series-{number}")
    execute(reconciler, "UPDATE fit_jobs SET announced_at = announced_at - interval '1 hour'")
    reconciler.redis.config_set("min-replicas-to-write", 1)  # it still answers reads
    try:
        reconciler.round()
    finally:
        reconciler.redis.config_set("min-replicas-to-write", 0)
    assert messages_waiting(reconciler.redis) == 0
    reconciler.round()
    assert messages_waiting(reconciler.redis) == 3


def test_only_the_first_job_of_a_series_is_announced(reconciler: Reconciler, api: httpx.Client) -> None:
    for _ in range(3):
        fit(api, "a")
    fit(api, "b")
    execute(reconciler, "UPDATE fit_jobs SET announced_at = NULL")
    reconciler.redis.flushdb()
    reconciler.round()
    assert messages_waiting(reconciler.redis) == 2


def test_only_one_reconciler_works_at_a_time(reconciler: Reconciler, api: httpx.Client) -> None:
    fit(api)
    execute(reconciler, "UPDATE fit_jobs SET announced_at = NULL")
    reconciler.redis.flushdb()
    with reconciler.sessions.begin() as session:
        assert reconciliation.take_turn(session)
        reconciler.round()
        assert messages_waiting(reconciler.redis) == 0
    reconciler.round()
    assert messages_waiting(reconciler.redis) == 1


def test_expired_leases_are_handled_during_an_artifact_scan(reconciler: Reconciler, api: httpx.Client) -> None:
    listing_started, stopping = Event(), Event()

    class EndlessFolder(LocalFolder):
        def keys(self) -> Iterator[Key]:
            listing_started.set()
            stopping.wait()
            return iter(())

    endless = EndlessFolder(Path(reconciler.settings.training_data_folder))
    frequent_settings = reconciler.settings.model_copy(update={"collect_s": 0.01, "reconcile_s": 0.01})
    busy_reconciler = replace(reconciler, artifacts=Artifacts(endless, endless), settings=frequent_settings)
    reconciling = Thread(target=keep_reconciling, args=(busy_reconciler, stopping))
    reconciling.start()
    try:
        assert listing_started.wait(10)
        job_id = fit(api)
        abandon(reconciler, job_id)
        until(lambda: job(api, job_id)["status"] == "queued")
    finally:
        stopping.set()
        reconciling.join()


def test_only_old_jobs_are_deleted(reconciler: Reconciler, local_training: Training, api: httpx.Client) -> None:
    old, young = fit(api, "old"), fit(api, "young")
    for job_id in (old, young):
        run(local_training, job_id)
    execute(reconciler, f"UPDATE fit_jobs SET finished_at = finished_at - interval '31 days' WHERE id = '{old}'")
    reconciler.round()
    assert job(api, old)["code"] == "job_not_found"
    assert job(api, young)["status"] == "succeeded"
    assert api.get("/series/old/versions/1/data").status_code == 200


def test_old_versions_are_pruned_only_if_keep_versions_is_set(
    reconciler: Reconciler, local_training: Training, api: httpx.Client
) -> None:
    for _ in range(5):
        run(local_training, fit(api))
    run(local_training, fit(api, "b"))
    api.put("/series/a/pin", json={"version": 1})
    assert reconciler.prune_versions() == 0
    pruning = replace(reconciler, settings=reconciler.settings.model_copy(update={"keep_versions": 2}))
    pruning_old_only = replace(pruning, settings=pruning.settings.model_copy(update={"keep_versions_days": 1}))
    assert pruning_old_only.prune_versions() == 0
    assert pruning.prune_versions() == 2
    remaining = [version["version"] for version in api.get("/series/a/versions").json()["versions"]]
    assert remaining == ["5", "4", "1"]
    assert api.get("/series/b").json()["versions"] == 1
