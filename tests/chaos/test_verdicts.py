"""The verification itself: a flawless run passes, and each flaw is reported."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from shared.domain.jobs import Status
from tests.chaos.evidence import Evidence, JobRow, VersionRow
from tests.chaos.ledger import Ledger
from tests.chaos.plan import HOPELESS_POINTS, Order
from tests.chaos.predictions import Outage, Refusal, unexcused
from tests.chaos.verdicts import violations

Change = Callable[[Ledger, Evidence], None]


def order(number: int, points: int = 20) -> Order:
    return Order(number, 0.0, "s", points, seed=number, threshold=3.0)


def keys(job_id: str) -> tuple[str, str, str]:
    return f"s/{job_id}.npz", f"s/{job_id}.1.json", f"s/{job_id}.1.scores.npz"


@pytest.fixture
def ledger() -> Ledger:
    """Two consecutive jobs that became versions 1 and 2, and a canceled one."""
    ledger = Ledger()
    for number, job_id in enumerate(("a", "b", "c")):
        ledger.record_promise(job_id, order(number), 10.0 * number, 10.0 * number + 1, None)
    ledger.record_end("a", Status.SUCCEEDED, 1)
    ledger.record_end("b", Status.SUCCEEDED, 2)
    ledger.record_end("c", Status.CANCELLED, None)
    ledger.promises["c"].cancel_asked = ledger.promises["c"].cancelled = True
    return ledger


@pytest.fixture
def evidence() -> Evidence:
    """The matching contents of database and store."""
    rows = [
        JobRow("a", 1, "s", "succeeded", 1, request_id="1"),
        JobRow("b", 2, "s", "succeeded", 2, request_id="2"),
        JobRow("c", 3, "s", "cancelled", request_id="3", data_key="s/c.npz"),
    ]
    versions = [VersionRow("s", 1, "a", keys=keys("a")), VersionRow("s", 2, "b", keys=keys("b"))]
    return Evidence({row.job_id: row for row in rows}, versions, {"s": 2}, {*keys("a"), *keys("b"), "s/c.npz"})


def changed(job_id: str, **columns: object) -> Change:
    """Change columns of a job's row."""

    def change(_ledger: Ledger, evidence: Evidence) -> None:
        evidence.jobs[job_id] = replace(evidence.jobs[job_id], **columns)  # type: ignore[arg-type]

    return change


def with_version(*versions: VersionRow) -> Change:
    return lambda _ledger, evidence: evidence.versions.extend(versions)


def with_job(row: JobRow) -> Change:
    return lambda _ledger, evidence: evidence.jobs.update({row.job_id: row})


def with_versions(numbers: dict[str, int]) -> Change:
    """Renumber the jobs' versions in every row."""

    def change(ledger: Ledger, evidence: Evidence) -> None:
        for job_id, number in numbers.items():
            evidence.jobs[job_id] = replace(evidence.jobs[job_id], version=number)
            ledger.promises[job_id].version = number
        evidence.versions = [replace(row, version=numbers[row.job_id]) for row in evidence.versions]

    return change


def without_version(_ledger: Ledger, evidence: Evidence) -> None:
    del evidence.versions[0]
    evidence.files -= set(keys("a"))


def test_a_run_that_kept_every_promise_passes(ledger: Ledger, evidence: Evidence) -> None:
    assert violations(ledger, evidence) == []


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("lost", lambda _, evidence: evidence.jobs.pop("c")),
        ("lost", changed("b", status="running", version=None)),
        ("lost", changed("b", status="queued", version=None)),
        ("answer", changed("a", series_id="other")),
        ("answer", changed("c", status="failed", error_code="fit_failed")),
        ("failed", changed("b", status="failed", version=None, error_code="worker_lost")),
        ("cancelled", changed("c", status="succeeded", version=3)),
        ("cancelled", changed("b", status="cancelled", version=None)),
        ("duplicated", with_version(VersionRow("s", 3, "b", keys=keys("b")))),
        ("duplicated", with_job(JobRow("d", 4, "s", "cancelled", request_id="2"))),
        ("duplicated", with_job(JobRow("d", 4, "s", "cancelled", request_id="4"))),
        ("fenced", changed("b", attempt=2)),
        ("version", with_version(VersionRow("s", 3, "c", keys=("s/c.npz",)))),
        ("version", with_versions({"a": 1, "b": 3})),
        ("version", lambda _, evidence: evidence.last_versions.update({"s": 3})),
        ("version", lambda _, evidence: evidence.last_versions.update({"other": 1})),
        ("version", without_version),
        ("order", with_versions({"a": 2, "b": 1})),
        ("artifact", lambda _, evidence: evidence.files.remove(keys("a")[2])),
        ("artifact", lambda _, evidence: evidence.flaws.append(("a", "differs from the state of a fresh fit"))),
        ("orphan", lambda _, evidence: evidence.files.add("s/d.npz")),
        ("orphan", lambda _, evidence: evidence.files.add("s/.part-0123")),
        ("answer", lambda ledger, _: ledger.complain("a request returned 500")),
    ],
)
def test_each_flaw_is_reported_as_its_kind(ledger: Ledger, evidence: Evidence, kind: str, change: Change) -> None:
    change(ledger, evidence)
    assert kind in {violation.kind for violation in violations(ledger, evidence)}


def test_a_gap_left_by_a_deleted_version_is_allowed(ledger: Ledger, evidence: Evidence) -> None:
    without_version(ledger, evidence)
    ledger.deleted.add(("s", 1))
    assert violations(ledger, evidence) == []
    ledger.deleted.add(("s", 2))
    assert "version" in {violation.kind for violation in violations(ledger, evidence)}


def test_a_job_of_a_request_whose_answer_was_lost_is_allowed(ledger: Ledger, evidence: Evidence) -> None:
    evidence.jobs["d"] = JobRow("d", 4, "s", "failed", request_id="lost", error_code="fit_failed")
    ledger.record_lost_answers(["lost"], order(3, HOPELESS_POINTS))
    assert violations(ledger, evidence) == []


def test_a_job_of_a_rejected_request_is_a_violation(ledger: Ledger, evidence: Evidence) -> None:
    evidence.jobs["d"] = JobRow("d", 4, "s", "cancelled", request_id="refused")
    ledger.refused.add("refused")
    (violation,) = violations(ledger, evidence)
    assert violation.kind == "duplicated"
    assert "that was rejected" in violation.sentence


def test_a_changed_final_status_is_a_complaint(ledger: Ledger) -> None:
    ledger.record_end("a", Status.FAILED, None)
    assert ledger.complaints == ["job a was reported as succeeded, then as failed"]


def test_one_job_for_two_fits_is_a_complaint(ledger: Ledger) -> None:
    ledger.record_promise("a", order(7), 50.0, 51.0, None)
    assert ledger.complaints == ["job a was returned for two fits, 0 and 7"]


def test_predictions_may_be_refused_only_during_outages_of_their_process() -> None:
    refusal = Refusal(sent_at=10.0, answered_at=11.0, api=1, reason="503 database_unavailable")
    assert unexcused([refusal], [Outage(10.5, 12.0, api=1)]) == []
    assert unexcused([refusal], [Outage(5.0, 10.0, api=None)]) == []
    for other_outage in (Outage(11.5, 12.0, api=1), Outage(5.0, 9.0, api=None), Outage(9.0, 12.0, api=0)):
        (sentence,) = unexcused([refusal], [other_outage])
        assert "1 prediction was refused or late (503 database_unavailable)" in sentence
