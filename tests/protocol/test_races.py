"""Real threads on a real database: in any order, the outcome is legal and nothing deadlocks."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import text

from shared.domain.jobs import NewJob, Status
from shared.errors import UnavailableError
from shared.store import admissions, attempts, jobs, reconciliation, series, versions
from tests.protocol import fitting, upkeep
from tests.protocol.history import History
from tests.protocol.world import EVERYTHING, LEASE_S, WINDOW_S, Worker, World
from worker.training import RELEASE_BACKOFF_S

ROUNDS = 25


@pytest.fixture
def history(world: World) -> History:
    return History(world)


def race(*actions: Callable[[], Any]) -> list[Any]:
    """Run these at the same moment; return their results or raise an error."""
    start = Barrier(len(actions))

    def run(action: Callable[[], Any]) -> Any:
        start.wait()
        return action()

    with ThreadPoolExecutor(len(actions)) as pool:
        return [future.result(30) for future in [pool.submit(run, action) for action in actions]]


def accepted(world: World, series_id: str) -> str:
    request = world.ask(series_id)
    world.accept([request])
    return request.job_id


def retry_of(world: World, job_id: str) -> NewJob:
    request = world.ask_again(job_id)
    assert request
    return request


def ready_to_publish(world: World, series_id: str) -> Worker:
    """A worker that has fitted a job and is about to publish it."""
    worker = fitting.deliver(world, accepted(world, series_id))
    assert worker
    fitting.store(world, worker)
    return worker


def publish(world: World, worker: Worker) -> int | None:
    assert worker.new
    with world.transaction() as session:
        return versions.publish(session, worker.claimed, worker.new)


def in_transaction(world: World, action: Callable[..., Any], *arguments: Any) -> Callable[[], Any]:
    def run() -> Any:
        with world.transaction() as session:
            return action(session, *arguments)

    return run


def test_concurrent_heartbeats_do_not_prevent_publishing(world: World, history: History) -> None:
    for place in range(ROUNDS):
        worker = ready_to_publish(world, f"s{place}")
        heartbeat = in_transaction(world, attempts.heartbeat, worker.claimed, 0.5, LEASE_S)
        number, *_ = race(partial(publish, world, worker), heartbeat, heartbeat)
        assert number == 1
        history.observe()


@pytest.mark.parametrize("end", ["cancel", "delete the series", "reap"])
def test_a_job_is_either_published_or_taken_from_its_worker(world: World, history: History, end: str) -> None:
    for place in range(ROUNDS):
        worker = ready_to_publish(world, f"s{place}")
        if end == "reap":
            world.silence(worker)
        actions: dict[str, Callable[[], Any]] = {
            "cancel": in_transaction(world, jobs.cancel, worker.claimed.job_id),
            "delete the series": in_transaction(world, series.delete_series, worker.claimed.series_id),
            "reap": in_transaction(world, reconciliation.reap, 1, 0),
        }
        number, outcome = race(partial(publish, world, worker), actions[end])
        if end == "delete the series":
            world.deleted |= {(worker.claimed.series_id, version) for version in outcome.versions}
            outcome = outcome.cancelled_job_ids
        assert (number == 1) != bool(outcome)
        if end != "delete the series":  # the history may miss a version that was published, then deleted
            history.observe()


def test_deleting_a_series_during_accepts_leaves_no_older_data(world: World, history: History) -> None:
    for place in range(ROUNDS):
        series_id = f"s{place}"
        failed = ready_to_publish(world, series_id)
        fitting.fail(world, failed)
        request = world.ask(series_id)
        deletion, accepted_ids, retried = race(
            in_transaction(world, series.delete_series, series_id),
            in_transaction(world, admissions.accept, [request], WINDOW_S),
            in_transaction(world, admissions.accept, [retry_of(world, failed.claimed.job_id)], WINDOW_S),
        )
        world.requests.clear()
        assert accepted_ids == {request.job_id}
        history.observe()
        for job_id in (request.job_id, *retried):
            expected = "cancelled" if job_id in deletion.cancelled_job_ids else "queued"
            assert history.now[job_id].status == expected
        assert history.now[failed.claimed.job_id].data_key is None


def test_a_version_is_either_pinned_or_deleted(world: World, history: History) -> None:
    def delete(series_id: str) -> bool:
        try:
            with world.transaction() as session:
                return versions.delete_version(session, series_id, 1)
        except versions.PinnedError:
            return False

    for place in range(ROUNDS):
        series_id = f"s{place}"
        assert fitting.fit(world, accepted(world, series_id)) == 1
        history.observe()
        pinned, deleted = race(in_transaction(world, series.pin, series_id, 1), partial(delete, series_id))
        assert pinned != deleted
        world.deleted |= {(series_id, 1)} if deleted else set()
        history.observe()


def test_one_of_many_claims_of_a_job_succeeds(world: World, history: History) -> None:
    for place in range(ROUNDS):
        job_id = accepted(world, f"s{place}")
        claims = race(*[in_transaction(world, attempts.claim, job_id, f"w{i}", LEASE_S) for i in range(6)])
        assert [claim.attempt for claim in claims if claim] == [1]
        history.observe()


def test_only_the_first_job_of_a_series_can_be_claimed(world: World, history: History) -> None:
    for place in range(ROUNDS):
        job_ids = [accepted(world, f"s{place}") for _ in range(3)]
        claims = race(*[in_transaction(world, attempts.claim, job_id, "w", LEASE_S) for job_id in job_ids * 2])
        assert [claim.job_id for claim in claims if claim] == job_ids[:1]
        history.observe()


def test_one_of_many_retries_creates_a_job_and_the_others_find_it(world: World, history: History) -> None:
    for place in range(ROUNDS):
        failed = ready_to_publish(world, f"s{place}")
        fitting.fail(world, failed)
        old = failed.claimed.job_id
        retries = [[retry_of(world, old)] for _ in range(4)]
        accepted_ids = race(*[in_transaction(world, admissions.accept, group, WINDOW_S) for group in retries])
        new = [job_id for job_ids in accepted_ids for job_id in job_ids]
        assert len(new) == 1
        with world.transaction() as session:
            assert admissions.open_retry(session, old) == (new[0], Status.QUEUED)
        history.observe()


def test_a_job_is_due_soon_however_often_its_infrastructure_failed(world: World) -> None:
    job_id = ready_to_publish(world, "s").claimed.job_id
    for _ in range(30):
        fitting.release(world, world.workers[-1], RELEASE_BACKOFF_S)
        assert fitting.deliver(world, job_id) is None
        world.pass_time(15)
        assert fitting.deliver(world, job_id)


def test_a_retry_during_the_release_of_its_data_is_never_without_data(world: World, history: History) -> None:
    for place in range(ROUNDS):
        failed = ready_to_publish(world, f"s{place}")
        fitting.fail(world, failed)
        race(
            in_transaction(world, admissions.accept, [retry_of(world, failed.claimed.job_id)], WINDOW_S),
            in_transaction(world, reconciliation.release_data, 0, EVERYTHING),
        )
        upkeep.note(world)
        world.pass_time(EVERYTHING)
        upkeep.take(world)
        upkeep.delete_doomed(world)
        history.observe()


def test_a_fit_of_a_version_that_is_being_deleted_is_never_without_data(world: World, history: History) -> None:
    for place in range(ROUNDS):
        series_id = f"s{place}"
        assert fitting.fit(world, accepted(world, series_id)) == 1
        history.observe()
        with world.transaction() as session:
            version = versions.find(session, series_id, 1)
        assert version
        request = world.fit_again(version)
        accepted_ids, deleted = race(
            in_transaction(world, admissions.accept, [request], WINDOW_S),
            in_transaction(world, versions.delete_version, series_id, 1),
        )
        assert deleted
        world.deleted.add((series_id, 1))
        upkeep.note(world)
        world.pass_time(EVERYTHING)
        upkeep.take(world)
        upkeep.delete_doomed(world)
        history.observe()
        assert (request.job_id in history.now) is bool(accepted_ids)
        if accepted_ids:
            assert world.artifacts.data.get(version.data)


def test_a_version_cannot_be_deleted_until_a_fit_of_its_data_is_committed(world: World, history: History) -> None:
    assert fitting.fit(world, accepted(world, "s")) == 1
    with world.transaction() as session:
        version = versions.get(session, "s", 1)
    request = world.fit_again(version)
    with world.transaction() as accepting:
        assert admissions.accept(accepting, [request], WINDOW_S) == {request.job_id}
        with pytest.raises(UnavailableError):
            delete_without_waiting(world, "s", 1)
    history.observe()


def test_the_data_of_a_failed_job_is_kept_until_its_retry_is_committed(world: World, history: History) -> None:
    failed = ready_to_publish(world, "s")
    fitting.fail(world, failed)
    request = retry_of(world, failed.claimed.job_id)
    with world.transaction() as accepting:
        assert admissions.accept(accepting, [request], WINDOW_S) == {request.job_id}
        with world.transaction() as releasing:
            assert reconciliation.release_data(releasing, 0, EVERYTHING) == 0
    history.observe()
    with world.transaction() as releasing:
        assert reconciliation.release_data(releasing, 0, EVERYTHING) == 1


def delete_without_waiting(world: World, series_id: str, version: int) -> None:
    with world.transaction() as session:
        session.execute(text("SET LOCAL lock_timeout = '20ms'"))
        versions.delete_version(session, series_id, version)


def test_concurrent_reconcilers_reap_a_lease_once(world: World, history: History) -> None:
    def reconcile() -> list[str]:
        with world.transaction() as session:
            if not reconciliation.take_turn(session):
                return []
            return [job.job_id for job in reconciliation.reap(session, 3, 0)]

    for place in range(ROUNDS):
        worker = ready_to_publish(world, f"s{place}")
        world.silence(worker)
        reaped = race(reconcile, reconcile, reconcile)
        assert [job_id for job_ids in reaped for job_id in job_ids] == [worker.claimed.job_id]
        history.observe()


def test_a_version_pinned_during_pruning_is_kept(world: World, history: History) -> None:
    for place in range(ROUNDS):
        series_id = f"s{place}"
        assert [fitting.fit(world, accepted(world, series_id)) for _ in range(3)] == [1, 2, 3]
        history.observe()
        pinned, pruned = race(
            in_transaction(world, series.pin, series_id, 1),
            in_transaction(world, versions.prune_versions, [series_id], 1, 0),
        )
        with world.transaction() as session:
            remaining = {number for name, number in upkeep.version_numbers(session) if name == series_id}
        assert remaining == {1, 2, 3} - ({2} if pinned and pruned else set()) - ({1, 2} if not pinned else set())
        assert pruned == 3 - len(remaining)
        world.deleted |= {(series_id, number) for number in {1, 2, 3} - remaining}
        history.observe()


def test_batches_for_the_same_series_do_not_deadlock(world: World, history: History) -> None:
    for _ in range(ROUNDS):
        groups = [[world.ask(series_id) for series_id in order] for order in ("abcd", "dcba", "bdac")]
        accepted_ids = race(*[in_transaction(world, admissions.accept, group, WINDOW_S) for group in groups])
        assert [len(ids) for ids in accepted_ids] == [4, 4, 4]
        world.requests.clear()
    history.observe()
