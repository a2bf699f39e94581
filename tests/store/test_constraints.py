"""Database constraints that hold regardless of the code."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from shared.domain.jobs import TRANSITIONS, Claim, NewJob, Status
from shared.domain.versions import Artifact, NewVersion
from shared.store import admissions, attempts, jobs, versions
from shared.store.engine import Sessions
from tests.store.conftest import MakeJob

WINDOW_S = 60


def change(store: Sessions, statement: str, job_id: str) -> None:
    with store.begin() as session:
        session.execute(text(statement), {"id": job_id})


def status_of(store: Sessions, job_id: str) -> str:
    with store.begin() as session:
        return str(session.execute(text("SELECT status FROM fit_jobs WHERE id = :id"), {"id": job_id}).scalar_one())


def accepted(store: Sessions, job: NewJob) -> str:
    with store.begin() as session:
        assert admissions.accept(session, [job], WINDOW_S) == {job.job_id}
    return job.job_id


def claimed(store: Sessions, job_id: str) -> Claim:
    with store.begin() as session:
        claim = attempts.claim(session, job_id, "a worker", 60)
    assert claim
    return claim


def published(store: Sessions, claim: Claim) -> int:
    def artifact(suffix: str) -> Artifact:
        return Artifact(f"{claim.series_id}/{claim.job_id}.{claim.attempt}{suffix}", bytes(32), 10)

    new = NewVersion(
        first_timestamp=1,
        last_timestamp=3,
        learnt={},
        anomaly_share=0.0,
        sparkline=[1.0],
        fit_ms=1.0,
        state=artifact(".json"),
        scores=artifact(".scores.npz"),
    )
    with store.begin() as session:
        number = versions.publish(session, claim, new)
    assert number
    return number


def in_status(store: Sessions, job: NewJob, status: Status) -> str:
    """Create a job and bring it to this status by legal changes."""
    job_id = accepted(store, job)
    if status is Status.CANCELLED:
        with store.begin() as session:
            assert jobs.cancel(session, job_id)
    elif status is not Status.QUEUED:
        claim = claimed(store, job_id)
        if status is Status.SUCCEEDED:
            published(store, claim)
        if status is Status.FAILED:
            with store.begin() as session:
                assert attempts.fail(session, claim, "fit_failed", "The fit failed.")
    assert status_of(store, job_id) == status
    return job_id


CONSISTENT = {  # the columns that each status requires
    Status.QUEUED: "lease_until = NULL, finished_at = NULL, version = NULL, error_code = NULL",
    Status.RUNNING: "lease_until = now(), finished_at = NULL, version = NULL, error_code = NULL, attempt = attempt + 1",
    Status.SUCCEEDED: "lease_until = NULL, finished_at = now(), version = 1, error_code = NULL, data_key = NULL",
    Status.FAILED: "lease_until = NULL, finished_at = now(), version = NULL, error_code = 'x'",
    Status.CANCELLED: "lease_until = NULL, finished_at = now(), version = NULL, error_code = NULL",
}
ILLEGAL = [(old, new) for old in Status for new in Status if new is not old and new not in TRANSITIONS[old]]


@pytest.mark.parametrize(("old", "new"), ILLEGAL, ids=[f"{old}-to-{new}" for old, new in ILLEGAL])
def test_an_illegal_status_change_is_rejected(store: Sessions, new_job: MakeJob, old: Status, new: Status) -> None:
    job_id = in_status(store, new_job(), old)
    with pytest.raises(DBAPIError, match="cannot become"):
        change(store, f"UPDATE fit_jobs SET status = '{new}', {CONSISTENT[new]} WHERE id = :id", job_id)
    assert status_of(store, job_id) == old


def test_a_job_cannot_succeed_without_a_version(store: Sessions, new_job: MakeJob) -> None:
    job_id = in_status(store, new_job(), Status.RUNNING)
    with pytest.raises(DBAPIError, match="without its version"):
        change(
            store, f"UPDATE fit_jobs SET status = 'succeeded', {CONSISTENT[Status.SUCCEEDED]} WHERE id = :id", job_id
        )


@pytest.mark.parametrize("status", [Status.QUEUED, Status.RUNNING])
@pytest.mark.parametrize(
    ("change_to", "reason"),
    [
        ("lease_until = CASE WHEN lease_until IS NULL THEN now() END", "lease_iff_running"),
        ("version = 1", "version_iff_success"),
        ("error_code = 'x'", "error_iff_failed"),
        ("finished_at = now()", "finish_iff_final"),
        ("data_key = NULL", "open_holds_data"),
        ("progress = 1.5", "progress"),
        ("points = 0", "points"),
        ("idempotency_key = ''", "idempotency_key"),
        ("attempt = attempt + 1", "illegal change"),
        ("series_id = 'other'", "illegal change"),
        ("data_key = 'other'", "illegal change"),
        ("data_sha256 = decode(repeat('ab', 32), 'hex')", "illegal change"),
        ("id = gen_random_uuid()", "illegal change"),
    ],
)
def test_an_inconsistent_row_is_rejected(
    store: Sessions, new_job: MakeJob, status: Status, change_to: str, reason: str
) -> None:
    job_id = in_status(store, new_job(), status)
    with pytest.raises(DBAPIError, match=reason):
        change(store, f"UPDATE fit_jobs SET {change_to} WHERE id = :id", job_id)


@pytest.mark.parametrize("status", [Status.QUEUED, Status.RUNNING])
def test_an_open_job_cannot_be_deleted(store: Sessions, new_job: MakeJob, status: Status) -> None:
    job_id = in_status(store, new_job(), status)
    with pytest.raises(DBAPIError, match="cannot be deleted"):
        change(store, "DELETE FROM fit_jobs WHERE id = :id", job_id)


@pytest.mark.parametrize("status", [Status.SUCCEEDED, Status.FAILED, Status.CANCELLED])
def test_a_finished_job_can_be_deleted(store: Sessions, new_job: MakeJob, status: Status) -> None:
    change(store, "DELETE FROM fit_jobs WHERE id = :id", in_status(store, new_job(), status))


def test_a_series_has_at_most_one_running_job(store: Sessions, new_job: MakeJob) -> None:
    first, second = accepted(store, new_job()), accepted(store, new_job())
    claimed(store, first)
    with pytest.raises(DBAPIError, match="one_running_per_series"):
        change(store, f"UPDATE fit_jobs SET status = 'running', {CONSISTENT[Status.RUNNING]} WHERE id = :id", second)


def test_a_job_has_at_most_one_version_and_versions_never_change(store: Sessions, new_job: MakeJob) -> None:
    job_id = in_status(store, new_job(), Status.SUCCEEDED)
    with pytest.raises(DBAPIError, match="never change"):
        change(store, "UPDATE versions SET fit_ms = 0 WHERE job_id = :id", job_id)
    columns = (
        "attempt, detector, parameters, points, first_timestamp, last_timestamp, learnt, anomaly_share, sparkline, "
        "fit_ms, data_key, data_sha256, data_size, state_sha256, state_size, scores_sha256, scores_size"
    )
    for other_job, reason in (("job_id", "versions_job_id_key"), ("gen_random_uuid()", "without a succeeded job")):
        repeated = (
            f"INSERT INTO versions (series_id, version, job_id, state_key, scores_key, {columns}) "
            f"SELECT series_id, version + 1, {other_job}, 'other', 'another', {columns} "
            "FROM versions WHERE job_id = :id"
        )
        with pytest.raises(DBAPIError, match=reason):
            change(store, repeated, job_id)


@pytest.mark.parametrize("series_id", ["", ".", "..", "a..b", "a/b", "a b", "ä", "x" * 129, "a\n"])
def test_an_invalid_series_id_is_rejected(store: Sessions, new_job: MakeJob, series_id: str) -> None:
    with pytest.raises(DBAPIError, match="fit_jobs_series_id"), store.begin() as session:
        admissions.accept(session, [new_job(series_id)], WINDOW_S)
