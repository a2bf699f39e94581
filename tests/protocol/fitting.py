"""The actions of simulated workers."""

from shared import artifacts as keys
from shared.domain.versions import NewVersion
from shared.store import attempts, versions
from tests.protocol.world import LEASE_S, Commit, UnansweredError, Worker, World


def deliver(world: World, job_id: str, commit: Commit = Commit.DONE) -> Worker | None:
    """Receive a message as a worker, and claim the job if possible."""
    try:
        with world.transaction(commit) as session:
            claimed = attempts.claim(session, job_id, "worker", LEASE_S)
    except UnansweredError:
        return None
    if claimed is None:
        with world.transaction() as session:
            attempts.message_spent(session, job_id)
        return None
    world.workers.append(Worker(claimed))
    return world.workers[-1]


def heartbeat(world: World, worker: Worker) -> None:
    with world.transaction() as session:
        if not attempts.heartbeat(session, worker.claimed, 0.5, LEASE_S):
            world.workers.remove(worker)


def store(world: World, worker: Worker) -> None:
    """Load the data, and write the state and the scores. Their content identifies the attempt."""
    claimed, states = worker.claimed, world.artifacts.states
    key_parts = (claimed.series_id, claimed.job_id, claimed.attempt)
    worker.new = NewVersion(
        first_timestamp=0,
        last_timestamp=60,
        learnt={},
        anomaly_share=0.0,
        sparkline=[],
        fit_ms=1.0,
        state=states.put(keys.state_key(*key_parts, ".json"), f"state of {key_parts}".encode()),
        scores=states.put(keys.scores_key(*key_parts), f"scores of {key_parts}".encode()),
    )


def publish(world: World, worker: Worker, commit: Commit = Commit.DONE) -> int | None:
    """Publish a stored version. A worker without an answer remains and may publish again."""
    assert worker.new is not None
    try:
        with world.transaction(commit) as session:
            number = versions.publish(session, worker.claimed, worker.new)
    except UnansweredError:
        return None
    world.workers.remove(worker)
    world.announce_next(worker.claimed.series_id)
    return number


def fail(world: World, worker: Worker, commit: Commit = Commit.DONE) -> None:
    try:
        with world.transaction(commit) as session:
            attempts.fail(session, worker.claimed, "fit_failed", "These points cannot be fitted.")
    except UnansweredError:
        return
    world.workers.remove(worker)
    world.announce_next(worker.claimed.series_id)


def release(world: World, worker: Worker, backoff_s: float, commit: Commit = Commit.DONE) -> None:
    try:
        with world.transaction(commit) as session:
            attempts.release(session, worker.claimed, backoff_s)
    except UnansweredError:
        return
    world.workers.remove(worker)


def fit(world: World, job_id: str) -> int | None:
    """Claim, store and publish without failures; return the version number."""
    worker = deliver(world, job_id)
    if worker is None:
        return None
    store(world, worker)
    return publish(world, worker)
