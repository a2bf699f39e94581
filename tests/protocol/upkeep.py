"""The actions of the simulated reconciler and collector."""

from datetime import timedelta

from sqlalchemy import text

from shared.store import garbage, reconciliation, series, versions
from shared.store.engine import Session
from tests.protocol.world import EVERYTHING, GRACE_S, WINDOW_S, World

MAX_CRASHES = 3


def reap(world: World) -> None:
    with world.transaction() as session:
        assert reconciliation.take_turn(session)
        reconciliation.reap(session, MAX_CRASHES, settled_s=0)


def announce(world: World) -> None:
    """Repeat messages that may be lost."""
    with world.transaction() as session:
        world.messages += reconciliation.to_announce(session, 10.0, 5, EVERYTHING)


def release_data(world: World) -> None:
    with world.transaction() as session:
        reconciliation.release_data(session, 0, EVERYTHING)


def prune_jobs(world: World) -> None:
    """Prune after the accept window: until then, a client without an answer may insert the same job again."""
    with world.transaction() as session:
        reconciliation.prune_jobs(session, WINDOW_S / timedelta(days=1).total_seconds(), EVERYTHING)


def prune_versions(world: World) -> None:
    with world.transaction() as session:
        numbers_before = version_numbers(session)
        versions.prune_versions(session, series.series_slice(session, "", EVERYTHING), keep=1, days=0)
        world.deleted |= numbers_before - version_numbers(session)


def version_numbers(session: Session) -> set[tuple[str, int]]:
    return {(row.series_id, row.version) for row in session.execute(text("SELECT series_id, version FROM versions"))}


def note(world: World) -> None:
    for folder in (world.artifacts.data, world.artifacts.states):
        with world.transaction() as session:
            garbage.note(session, list(folder.keys()))


def take(world: World) -> None:
    """Take garbage past its grace. Its files are deleted later, or never if the collector dies first."""
    with world.transaction() as session:
        world.doomed += garbage.take(session, GRACE_S, EVERYTHING)[1]


def delete_doomed(world: World) -> None:
    for name in world.doomed:
        world.artifacts.data.delete(name)
        world.artifacts.states.delete(name)
    world.doomed = []
