"""Concurrent accepts, claims and publications keep the order of a series."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import cycle, islice
from threading import Event

from sqlalchemy import text

from shared.store import admissions, attempts, jobs
from shared.store.engine import Sessions
from tests.store.conftest import MakeJob
from tests.store.test_constraints import WINDOW_S, accepted, claimed, published


def jobs_in_order(store: Sessions, series_id: str) -> list[str]:
    with store.begin() as session:
        rows = session.execute(
            text("SELECT CAST(id AS text) FROM fit_jobs WHERE series_id = :series_id ORDER BY seq"),
            {"series_id": series_id},
        )
        return list(rows.scalars())


def test_the_database_rejects_an_accept_after_its_window(store: Sessions, new_job: MakeJob) -> None:
    in_window = new_job()
    expired = new_job(admitted_at=in_window.admitted_at - timedelta(seconds=WINDOW_S + 1))
    with store.begin() as session:
        assert admissions.accept(session, [expired, in_window], WINDOW_S) == {in_window.job_id}
        assert admissions.existing_job(session, expired) is None


def test_time_spent_waiting_for_the_series_counts_against_the_window(store: Sessions, new_job: MakeJob) -> None:
    job = new_job()
    waits = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")

    def accept() -> set[str]:
        with store.begin() as session:
            return admissions.accept(session, [job], 0.2)

    with ThreadPoolExecutor(1) as pool:
        with store.begin() as other:
            other.execute(
                text("SELECT pg_advisory_xact_lock(8243, hashtext(:series_id))"), {"series_id": job.series_id}
            )
            accepting = pool.submit(accept)
            while not other.execute(waits).scalar():
                assert not accepting.done()
            other.execute(text("SELECT pg_sleep(0.25)"))
        assert accepting.result() == set()


def test_accepting_a_job_again_finds_the_first_acceptance(store: Sessions, new_job: MakeJob) -> None:
    job = new_job()
    accepted(store, job)
    with store.begin() as session:
        assert admissions.accept(session, [job], WINDOW_S) == set()
        existing = admissions.existing_job(session, job)
    assert existing
    assert (existing.job_id, existing.same_id) == (job.job_id, True)


def test_five_hundred_jobs_are_accepted_in_their_order_in_one_transaction(
    store: Sessions, new_job: MakeJob, series_id: str
) -> None:
    names = [f"{series_id}-{place}" for place in range(7)]
    group = [new_job(name) for name in islice(cycle(names), admissions.MAX_JOBS_PER_ACCEPT)]
    with store.begin() as session:
        assert len(admissions.accept(session, group, WINDOW_S)) == admissions.MAX_JOBS_PER_ACCEPT == 500
    for name in names:
        assert jobs_in_order(store, name) == [job.job_id for job in group if job.series_id == name]


def test_batches_that_share_series_do_not_deadlock(store: Sessions, new_job: MakeJob, series_id: str) -> None:
    names = [f"{series_id}-{place}" for place in range(20)]
    groups = [[new_job(name) for name in (names if number % 2 else reversed(names))] for number in range(16)]

    def accept(number: int) -> int:
        with store.begin() as session:
            return len(admissions.accept(session, groups[number], WINDOW_S))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(accept, range(len(groups)))) == [20] * len(groups)


def test_a_job_cannot_be_claimed_until_the_previous_one_has_ended(store: Sessions, new_job: MakeJob) -> None:
    first, second = accepted(store, new_job()), accepted(store, new_job())
    with store.begin() as session:
        assert attempts.claim(session, second, "a worker", 60) is None
    first_claim = claimed(store, first)
    with store.begin() as session:
        assert attempts.claim(session, second, "a worker", 60) is None
        assert attempts.claim(session, first, "another worker", 60) is None
    assert published(store, first_claim) == 1
    assert published(store, claimed(store, second)) == 2


def test_a_job_with_a_message_in_flight_is_not_announced_again(store: Sessions, new_job: MakeJob) -> None:
    first, second = accepted(store, new_job()), accepted(store, new_job())
    first_claim = claimed(store, first)
    published(store, first_claim)
    with store.begin() as session:
        assert jobs.next_of_series(session, first_claim.series_id) is None
    assert claimed(store, second).attempt == 1


def test_a_job_whose_message_came_too_early_is_announced_once_after_the_previous_job(
    store: Sessions, new_job: MakeJob
) -> None:
    first, second = accepted(store, new_job()), accepted(store, new_job())
    first_claim = claimed(store, first)
    with store.begin() as session:
        assert attempts.message_spent(session, second)
        assert not attempts.message_spent(session, first)
    published(store, first_claim)
    with store.begin() as session:
        assert jobs.next_of_series(session, first_claim.series_id) == second
    with store.begin() as session:
        assert jobs.next_of_series(session, first_claim.series_id) is None


def test_a_job_whose_message_may_be_lost_is_announced_after_the_previous_job(store: Sessions, new_job: MakeJob) -> None:
    first, second = accepted(store, new_job()), accepted(store, new_job())
    published(store, claimed(store, first))
    with store.begin() as session:
        session.execute(
            text("UPDATE fit_jobs SET announced_at = announced_at - interval '11 s' WHERE id = :id"), {"id": second}
        )
        assert jobs.next_of_series(session, new_job().series_id) == second


def test_one_of_many_concurrent_claims_succeeds(store: Sessions, new_job: MakeJob) -> None:
    job_id = accepted(store, new_job())
    begin = Event()

    def claim(worker: int) -> bool:
        begin.wait()
        with store.begin() as session:
            return attempts.claim(session, job_id, f"worker-{worker}", 60) is not None

    with ThreadPoolExecutor(8) as pool:
        claims = [pool.submit(claim, worker) for worker in range(8)]
        begin.set()
        assert sorted(future.result() for future in claims) == [False] * 7 + [True]


def test_concurrent_fits_publish_versions_in_the_order_of_acceptance(
    store: Sessions, new_job: MakeJob, series_id: str
) -> None:
    fits, workers, everything_accepted = 40, 6, Event()
    first = text(
        "SELECT CAST(id AS text) FROM fit_jobs WHERE series_id = :series_id AND status = 'queued' ORDER BY seq LIMIT 1"
    )

    def work() -> None:
        while True:
            done = everything_accepted.is_set()
            with store.begin() as session:
                job_id = session.execute(first, {"series_id": series_id}).scalar()
            if job_id is None:
                if done:
                    return
                continue
            with store.begin() as session:
                first_claim = attempts.claim(session, job_id, "a worker", 60)
            if first_claim:
                published(store, first_claim)

    with ThreadPoolExecutor(workers) as workers_pool, ThreadPoolExecutor(3) as clients:
        working = [workers_pool.submit(work) for _ in range(workers)]
        list(clients.map(lambda _: accepted(store, new_job()), range(fits)))
        everything_accepted.set()
        for future in working:
            future.result(60)
    with store.begin() as session:
        rows = session.execute(
            text("SELECT version, status FROM fit_jobs WHERE series_id = :series_id ORDER BY seq"),
            {"series_id": series_id},
        ).all()
    assert [tuple(row) for row in rows] == [(number, "succeeded") for number in range(1, fits + 1)]
