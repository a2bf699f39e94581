"""`tsad backup` and `tsad restore`: a restored installation equals the original."""

import hashlib
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from shared.artifacts import Artifacts
from shared.settings import Settings
from shared.store import dump, schema
from shared.store.engine import Sessions, make_engine
from tests.cli.commands import Tsad
from tests.points import ramp
from tests.processes import new_database, serving
from tests.stores import root
from worker import training as trainings


@dataclass(frozen=True)
class Contents:
    """Ids of jobs in an installation with all kinds of jobs and versions."""

    queued: str
    canceled: str


@pytest.fixture
def contents(
    installation: Settings, installation_sessions: Sessions, installation_training: trainings.Training
) -> Contents:
    """Two versions of one series, the first pinned and its job deleted; a queued and a canceled job of another."""
    with serving(installation) as api:
        for points in (20, 30):
            trainings.run(installation_training, api.post("/fit/a", json=ramp(points)).json()["job_id"])
        api.put("/series/a/pin", json={"version": 1})
        canceled = api.post("/fit/b", json=ramp()).json()["job_id"]
        api.post(f"/jobs/{canceled}/cancel")
        queued = api.post("/fit/b", json=ramp()).json()["job_id"]
        assert api.post("/series/a/points", json={"timestamps": recent(3), "values": [1, 50, None]}).status_code == 200
        assert api.put("/receivers/oncall", json={"kind": "webhook", "url": "https://a.example/"}).is_success
        assert api.post("/receivers/oncall/test").status_code == 202
    with installation_sessions.begin() as session:
        session.execute(text("DELETE FROM fit_jobs WHERE status = 'succeeded' AND version = 1"))
    return Contents(queued, canceled)


@pytest.fixture
def new_installation(installation: Settings, server_url: str, tmp_path: Path) -> Iterator[Settings]:
    """An installation with an empty database and no artifacts."""
    with new_database(server_url) as url:
        folders = {name: tmp_path / "elsewhere" / name for name in ("training_data_folder", "model_state_folder")}
        yield installation.model_copy(update={"database_url": url, **folders})


def recent(count: int) -> list[int]:
    """Return timestamps of the last minutes."""
    now = int(time.time())
    return [now - 60 * ago for ago in range(count)][::-1]


def rows(settings: Settings, folder: Path) -> dict[str, bytes]:
    """Return the dump of every table, with sorted rows. A restore changes when streams arrived, and sends nothing."""
    sessions = Sessions(make_engine(settings, "tsad-tests"))
    dumped = {}
    with sessions.begin() as session:
        session.execute(text("UPDATE streams SET arrived_at = '2026-01-01' WHERE arrived_at IS NOT NULL"))
        session.execute(text("UPDATE receivers SET disabled = 'so'"))
        session.execute(text("DELETE FROM deliveries WHERE status = 'waiting'"))
        for name in dump.table_names():
            path = folder / name
            with path.open("wb") as file:
                dump.write(session, name, dump.Digest(file))
            dumped[name] = b"".join(sorted(path.read_bytes().splitlines(keepends=True)))
    sessions.engine.dispose()
    return dumped


def files(settings: Settings) -> dict[str, bytes]:
    stores = Artifacts.of(settings)
    keys = [(store, key.name) for store in (stores.data, stores.states) for key in [*store.keys()]]
    return {name: (root(store) / name).read_bytes() for store, name in keys}


def test_a_restored_installation_equals_the_original_and_continues_from_there(
    installation: Settings,
    new_installation: Settings,
    contents: Contents,
    operate: Tsad,
    training: trainings.Training,
    tmp_path: Path,
) -> None:
    backup = tmp_path / "backup"
    result = operate(installation, "backup", str(backup), "--json")
    assert result.code == 0, result.err
    (manifest,) = result.answers
    assert {name: table["rows"] for name, table in manifest["tables"].items()} == {
        "fit_jobs": 3,
        "series": 1,
        "versions": 2,
        "garbage": 0,
        "api_keys": 0,
        "browser_sessions": 0,
        "watches": 0,
        "streams": 1,
        "points": 3,
        "alerts": 0,
        "notices": 0,
        "spans": 0,
        "receivers": 1,
        "deliveries": 1,
        "budgets": 0,
        "sources": 0,
        "source_runs": 0,
        "source_series": 0,
        "source_tests": 0,
    }
    restored = operate(new_installation, "restore", str(backup))
    assert restored.code == 0, restored.err
    assert "3 fit_jobs" in restored.out
    with serving(new_installation) as api:
        receiver = api.get("/receivers/oncall").json()
        assert (receiver["disabled"], receiver["waiting"]) == ("The installation was restored from a backup.", 0)
    assert rows(new_installation, tmp_path) == rows(installation, tmp_path)
    assert files(new_installation) == files(installation)
    assert len(files(installation)) == 8
    sessions = Sessions(make_engine(new_installation, "tsad-tests"))
    with serving(new_installation) as api:
        verdict = api.post("/predict/a", json={"timestamp": 1, "value": 2.0}).json()
        assert verdict["model_version"] == "1"
        next_job = api.post("/fit/a", json=ramp()).json()["job_id"]
        worker = replace(
            training, sessions=sessions, artifacts=Artifacts.of(new_installation), settings=new_installation
        )
        trainings.run(worker, next_job)
        trainings.run(worker, contents.queued)
        assert api.get(f"/jobs/{next_job}").json()["version"] == "3"
        assert api.get(f"/jobs/{contents.queued}").json()["version"] == "1"
        assert api.post(f"/jobs/{contents.canceled}/retry").status_code == 202
    with sessions.begin() as session, pytest.raises(Exception, match="versions never change"):
        session.execute(text("UPDATE versions SET points = 1"))
    sessions.engine.dispose()


def test_a_backup_of_the_first_release_is_restored_and_migrated(
    installation: Settings, new_installation: Settings, contents: Contents, operate: Tsad, tmp_path: Path
) -> None:
    operate(installation, "backup", str(tmp_path / "backup"))
    manifest_file = tmp_path / "backup/manifest.json"
    manifest = json.loads(manifest_file.read_text())
    drop_column(tmp_path / "backup/tables/versions.copy", manifest["tables"]["versions"], "automatic")
    first_tables = ("fit_jobs", "series", "versions", "garbage")
    manifest["tables"] = {name: table for name, table in manifest["tables"].items() if name in first_tables}
    manifest_file.write_text(json.dumps(manifest | {"revision": "0001"}))
    restored = operate(new_installation, "restore", str(tmp_path / "backup"))
    assert restored.code == 0, restored.err
    after, before = rows(new_installation, tmp_path), rows(installation, tmp_path)
    assert {name: after[name] for name in first_tables} == {name: before[name] for name in first_tables}
    assert not any(after[name] for name in after.keys() - set(first_tables))
    assert files(new_installation) == files(installation)


def drop_column(file: Path, table: dict[str, Any], column: str) -> None:
    """Remove a column that an older release does not have."""
    place = table["columns"].index(column)
    lines = [line.split("\t") for line in file.read_text().splitlines()]
    file.write_text("".join("\t".join([*line[:place], *line[place + 1 :]]) + "\n" for line in lines))
    table["columns"].remove(column)
    table["sha256"] = hashlib.sha256(file.read_bytes()).hexdigest()


def test_a_backup_without_points_keeps_everything_else(
    installation: Settings, new_installation: Settings, contents: Contents, operate: Tsad, tmp_path: Path
) -> None:
    result = operate(installation, "backup", str(tmp_path / "backup"), "--without-points", "--json")
    assert "points" not in result.answers[0]["tables"]
    assert operate(new_installation, "restore", str(tmp_path / "backup")).code == 0
    after, before = rows(new_installation, tmp_path), rows(installation, tmp_path)
    assert (after.pop("points"), before.pop("points").count(b"\n")) == (b"", 3)
    assert after == before
    with serving(new_installation) as api:
        answer = api.post("/series/a/points", json={"timestamps": recent(1), "values": [2]}).json()
        assert (answer["status"], answer["accepted"] + answer["repeated"]) == ("watching", 1)


def test_a_restore_into_a_used_installation_changes_nothing(
    installation: Settings, contents: Contents, operate: Tsad, tmp_path: Path
) -> None:
    operate(installation, "backup", str(tmp_path / "backup"))
    rows_before = rows(installation, tmp_path)
    result = operate(installation, "restore", str(tmp_path / "backup"))
    assert result.code == 2
    assert "not empty" in result.err
    assert rows(installation, tmp_path) == rows_before
    result = operate(installation, "backup", str(tmp_path / "backup"))
    assert result.code == 2
    assert "is not an empty folder" in result.err


def test_nothing_of_an_altered_backup_is_restored(
    installation: Settings, new_installation: Settings, contents: Contents, operate: Tsad, tmp_path: Path
) -> None:
    backup = tmp_path / "backup"
    operate(installation, "backup", str(backup))
    state = next(backup.glob("artifacts/models/a/*.json"))
    original = state.read_bytes()
    state.write_bytes(original + b" ")
    result = operate(new_installation, "restore", str(backup))
    assert result.code == 1
    assert f"Missing or damaged in the backup: a/{state.name}" in result.err
    assert set(rows(new_installation, tmp_path).values()) == {b""}
    state.write_bytes(original)
    table = backup / "tables" / "series.copy"
    table.write_bytes(table.read_bytes().replace(b"1", b"2"))
    result = operate(new_installation, "restore", str(backup))
    assert result.code == 2
    assert "series.copy does not match its SHA-256" in result.err
    (backup / "manifest.json").unlink()
    assert "is not a complete backup" in operate(new_installation, "restore", str(backup)).err


def test_a_missing_artifact_is_reported_and_the_rest_restored(
    installation: Settings, new_installation: Settings, contents: Contents, operate: Tsad, tmp_path: Path
) -> None:
    backup = tmp_path / "backup"
    missing = Path(installation.training_data_folder, f"b/{contents.queued}.npz")
    missing.unlink()
    result = operate(installation, "backup", str(backup), "--json")
    assert result.code == 1
    assert result.answers[0]["damaged"] == {f"b/{contents.queued}.npz": f"job {contents.queued}"}
    assert operate(new_installation, "restore", str(backup)).code == 0
    assert len(files(new_installation)) == 7


def test_a_backup_of_another_schema_is_not_restored_into_a_migrated_database(
    installation: Settings, new_installation: Settings, contents: Contents, operate: Tsad, tmp_path: Path
) -> None:
    backup = tmp_path / "backup"
    operate(installation, "backup", str(backup))
    manifest = json.loads((backup / "manifest.json").read_text())
    assert manifest["revision"] == schema.expected_revision()
    schema.migrate(new_installation.database)
    other_revision = manifest | {"revision": "0001"}
    (backup / "manifest.json").write_text(json.dumps(other_revision))
    result = operate(new_installation, "restore", str(backup))
    assert result.code == 2
    assert "is required" in result.err


def test_a_backup_is_restored_into_a_new_home_whose_servers_are_stopped(
    installation: Settings, contents: Contents, operate: Tsad, tmp_path: Path
) -> None:
    operate(installation, "backup", str(tmp_path / "backup"))
    with tempfile.TemporaryDirectory(prefix="tsad-test-") as folder:  # the servers' user cannot enter pytest's folders
        Path(folder).chmod(0o711)
        home = {"TSAD_HOME": f"{folder}/home", "DATABASE_URL": "", "TRAINING_DATA_FOLDER": "", "MODEL_STATE_FOLDER": ""}
        without_home = operate(installation, "backup", str(tmp_path / "nothing"), **home)
        assert (without_home.code, Path(folder, "home").exists()) == (2, False)
        assert operate(installation, "restore", str(tmp_path / "backup"), **home).code == 0
        assert len(list(Path(folder).glob("home/artifacts/*/*/*.*"))) == 8
        checked = operate(installation, "doctor", "--json", **home)
        assert "8 of 8 intact" in checked.out
        result = operate(installation, "backup", str(tmp_path / "again"), "--json", **home)
        assert result.code == 0, result.err
        first_manifest = json.loads((tmp_path / "backup" / "manifest.json").read_text())
        second_manifest = result.answers[0]
        assert {name: table["rows"] for name, table in second_manifest["tables"].items()} == {
            name: 0 if name == "deliveries" else table["rows"] for name, table in first_manifest["tables"].items()
        }
