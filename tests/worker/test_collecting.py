import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from shared.artifacts import Artifacts, data_key, scores_key, state_key
from shared.settings import Settings
from shared.store.engine import Sessions
from tests.points import ramp
from tests.processes import Process, migrated_database, running, serving, sessions_of
from tests.stores import names, root
from worker.collecting import collect
from worker.training import Training, run

GRACE_S = 3600.0


@pytest.fixture
def collecting_settings(settings: Settings, server_url: str, tmp_path: Path) -> Iterator[Settings]:
    with migrated_database(server_url) as url:
        yield settings.model_copy(
            update={
                "database_url": url,
                "training_data_folder": tmp_path / "data",
                "model_state_folder": tmp_path / "models",
            }
        )


@pytest.fixture
def collecting_sessions(collecting_settings: Settings) -> Iterator[Sessions]:
    with sessions_of(collecting_settings) as sessions:
        yield sessions


@pytest.fixture
def stores(collecting_settings: Settings) -> Artifacts:
    return Artifacts.of(collecting_settings)


@pytest.fixture
def job_ids(
    collecting_settings: Settings, collecting_sessions: Sessions, stores: Artifacts, training: Training
) -> list[str]:
    """The ids of a succeeded job and a queued one."""
    with serving(collecting_settings) as api:
        succeeded, waiting = (str(api.post("/fit/a", json=ramp()).json()["job_id"]) for _ in range(2))
    run(replace(training, sessions=collecting_sessions, artifacts=stores, settings=collecting_settings), succeeded)
    return [succeeded, waiting]


def files(stores: Artifacts) -> set[str]:
    return names(stores.data) | names(stores.states)


def expire_grace_period(sessions: Sessions) -> None:
    with sessions.begin() as session:
        session.execute(text("UPDATE garbage SET noted_at = noted_at - interval '2 h'"))


def test_an_orphaned_artifact_is_deleted_only_after_the_grace_period(
    collecting_sessions: Sessions, stores: Artifacts, job_ids: list[str]
) -> None:
    owned = files(stores)
    orphan = str(uuid4())
    stores.data.put(data_key("a", orphan), b"x")
    stores.states.put(state_key("a", orphan, 1, ".json"), b"x")
    stores.states.put(scores_key("b", orphan, 2), b"x")
    assert collect(collecting_sessions, stores, GRACE_S) == 0
    assert len(files(stores)) == len(owned) + 3
    expire_grace_period(collecting_sessions)
    assert collect(collecting_sessions, stores, GRACE_S) == 3
    assert files(stores) == owned


def test_referenced_artifacts_are_never_deleted(
    collecting_sessions: Sessions, stores: Artifacts, job_ids: list[str]
) -> None:
    files_before = files(stores)
    assert len(files_before) == 4  # data of both jobs, state and scores of one
    for _ in range(3):
        collect(collecting_sessions, stores, GRACE_S)
        expire_grace_period(collecting_sessions)
    assert files(stores) == files_before


def test_files_with_other_names_are_not_deleted(
    collecting_sessions: Sessions, stores: Artifacts, job_ids: list[str]
) -> None:
    foreign = root(stores.data) / "a" / "notes.txt"
    foreign.write_text("mine")
    for _ in range(2):
        collect(collecting_sessions, stores, GRACE_S)
        expire_grace_period(collecting_sessions)
    assert foreign.read_text() == "mine"


def test_temporary_files_of_a_dead_writer_are_deleted_by_age(
    collecting_sessions: Sessions, stores: Artifacts, job_ids: list[str]
) -> None:
    remains = root(stores.data) / "a" / ".part-0011"
    remains.write_bytes(b"half")
    collect(collecting_sessions, stores, GRACE_S)
    assert remains.exists()
    os.utime(remains, (0, 0))
    collect(collecting_sessions, stores, GRACE_S)
    assert not remains.exists()


def test_a_noted_artifact_that_is_referenced_now_is_kept(
    collecting_settings: Settings, collecting_sessions: Sessions, stores: Artifacts, job_ids: list[str]
) -> None:
    succeeded, _ = job_ids
    key = data_key("a", succeeded)
    with collecting_sessions.begin() as session:  # as if noted while nothing referred to it
        session.execute(
            text("INSERT INTO garbage (key, series_id, job_id) VALUES (:key, 'a', :id)"), {"key": key, "id": succeeded}
        )
    expire_grace_period(collecting_sessions)
    collect(collecting_sessions, stores, GRACE_S)
    assert key in files(stores)


def printed(process: Process) -> list[Any]:
    """Return the results among the lines of the log."""
    return [json.loads(line) for line in process.log.read_text().splitlines() if line.startswith("{")]


def test_a_dry_run_lists_orphaned_artifacts_and_changes_nothing(
    collecting_settings: Settings, stores: Artifacts, job_ids: list[str], tmp_path: Path
) -> None:
    orphan = data_key("a", str(uuid4()))
    stores.data.put(orphan, b"orphan")
    files_before = files(stores)
    with running(collecting_settings, tmp_path / "run", "worker.collecting", "--dry-run") as process:
        process.popen.wait(20)
    assert printed(process) == [{"key": orphan}]
    assert files(stores) == files_before


def test_manual_collection_respects_the_grace_period(
    collecting_settings: Settings, stores: Artifacts, job_ids: list[str], tmp_path: Path
) -> None:
    stores.data.put(data_key("a", str(uuid4())), b"orphan")
    files_before = files(stores)
    with running(collecting_settings, tmp_path / "run", "worker.collecting") as process:
        process.popen.wait(20)
    assert printed(process) == [{"deleted": 0}]
    assert files(stores) == files_before
