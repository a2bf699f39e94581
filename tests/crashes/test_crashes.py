"""Kill a real process at every step; the other processes must complete its work."""

from collections.abc import Callable
from functools import partial

import pytest

from shared.store import attempts
from tests.crashes.stack import PATIENCE_S, Stack
from tests.crashes.steps import EXCLUDED, VERBS, Step, functions, steps
from tests.waiting import until

API, WORKER, RECONCILER = (steps(process) for process in VERBS)
REACHED_WITH_VERSIONS = {"versions.prune_versions", "versions.prune_automatic"}
FAILURE_COMMITTED = Step("attempts.fail", "committed")


class Aftermath:
    """The job ids returned to clients, by step; read after every death, when all jobs are final."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.api: dict[Step, tuple[set[str | None], str]] = {}
        self.worker: dict[Step, tuple[str, str]] = {}
        self.poison = ("", "")

    def kill_the_api(self) -> None:
        """Kill the API at each step; the client repeats its request until it gets a response."""
        for index, step in enumerate(API):
            self.stack.arm("api", step)
            job_ids: set[str | None] = set()
            self._until_hit("api", step, partial(self._fit_once, f"api-{index}", f"key-{index}", job_ids))
            self.api[step] = job_ids - {None}, self.stack.fit(f"api-{index}", f"key-{index}")

    def kill_the_reconciler(self) -> None:
        for _ in range(3):
            self.stack.leave_orphans()
        for step in RECONCILER:
            self.stack.arm("reconciler", step)
        with self.stack.run("reconciler"):
            self.kill_the_api()
            self.stack.fit("waiting")  # its message will be repeated
            for step in RECONCILER:
                if step.function not in REACHED_WITH_VERSIONS:
                    self._until_hit("reconciler", step)
            self.poison = self.stack.poison("poison")
            self.kill_workers()
            until(lambda: not self.stack.orphans(), PATIENCE_S)

    def _fit_once(self, series_id: str, key: str, job_ids: set[str | None]) -> None:
        job_ids.add(self.stack.try_fit(series_id, key))

    def _until_hit(self, actor: str, step: Step, meanwhile: Callable[[], object] = int) -> None:
        until(lambda: self.stack.was_hit(actor, step), PATIENCE_S, meanwhile=meanwhile)

    def kill_workers(self) -> None:
        for index, step in enumerate(WORKER):
            job_id = self.stack.fit(f"worker-{index}")
            self.stack.arm(job_id, step)
            next_job_id = self.stack.fit(f"worker-{index}")
            with self.stack.sessions.begin() as session:
                assert attempts.message_spent(session, next_job_id)  # as if another worker had received it too early
            self.worker[step] = job_id, next_job_id
        with self.stack.run("worker") as worker:
            until(lambda: self.stack.open_jobs() == 0, PATIENCE_S)
            worker.popen.kill()  # on SIGTERM, it would wait for the child that has just died


@pytest.fixture(scope="module")
def aftermath(stack: Stack) -> Aftermath:
    aftermath = Aftermath(stack)
    with stack.run("api"):
        aftermath.kill_the_reconciler()
    return aftermath


def test_every_excluded_function_is_still_called() -> None:
    assert set().union(*map(functions, VERBS)) >= EXCLUDED.keys()


@pytest.mark.parametrize("step", API, ids=str)
def test_a_fit_is_accepted_once_wherever_the_api_is_killed(aftermath: Aftermath, step: Step) -> None:
    earlier_job_ids, job_id = aftermath.api[step]
    assert earlier_job_ids <= {job_id}
    assert aftermath.stack.jobs_of(f"api-{API.index(step)}") == [(job_id, "succeeded", 1)]


@pytest.mark.parametrize("step", WORKER, ids=str)
def test_a_job_is_fitted_once_wherever_its_worker_is_killed(aftermath: Aftermath, step: Step) -> None:
    first, second = aftermath.worker[step]
    assert aftermath.stack.was_hit(first, step)
    expected = [(first, "failed", None), (second, "succeeded", 1)]
    if step != FAILURE_COMMITTED:
        expected = [(first, "succeeded", 1), (second, "succeeded", 2)]
    assert aftermath.stack.jobs_of(f"worker-{WORKER.index(step)}") == expected


@pytest.mark.parametrize("step", RECONCILER, ids=str)
def test_all_work_is_completed_wherever_the_reconciler_is_killed(aftermath: Aftermath, step: Step) -> None:
    assert aftermath.stack.was_hit("reconciler", step)


def test_a_job_that_kills_its_workers_fails_and_unblocks_the_next(aftermath: Aftermath) -> None:
    poison, next_job_id = aftermath.poison
    assert aftermath.stack.jobs_of("poison") == [(poison, "failed", None), (next_job_id, "succeeded", 1)]


def test_rows_and_artifacts_are_consistent_after_all_deaths(aftermath: Aftermath) -> None:
    assert aftermath.stack.orphans() == set()
    assert aftermath.stack.open_jobs() == 0
    assert [path.name for path in aftermath.stack.armed.iterdir() if not path.name.startswith("hit~")] == []
