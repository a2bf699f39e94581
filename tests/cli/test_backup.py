"""`tsad backup` and `tsad restore`: what comes back is what there was."""

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

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
class Made:
    """Jobs of an installation with something of everything."""

    queued: str
    cancelled: str


@pytest.fixture
def made(own: Settings, own_sessions: Sessions, training: trainings.Training) -> Made:
    """Two versions of one series, the first pinned and its job forgotten; a queued and a cancelled job of another."""
    worker = replace(training, sessions=own_sessions, artifacts=Artifacts.of(own), settings=own)
    with serving(own) as api:
        for points in (20, 30):
            trainings.run(worker, api.post("/fit/a", json=ramp(points)).json()["job_id"])
        api.put("/series/a/pin", json={"version": 1})
        cancelled = api.post("/fit/b", json=ramp()).json()["job_id"]
        api.post(f"/jobs/{cancelled}/cancel")
        queued = api.post("/fit/b", json=ramp()).json()["job_id"]
    with own_sessions.begin() as session:
        session.execute(text("DELETE FROM fit_jobs WHERE status = 'succeeded' AND version = 1"))
    return Made(queued, cancelled)


@pytest.fixture
def elsewhere(own: Settings, server_url: str, tmp_path: Path) -> Iterator[Settings]:
    """Where nothing is yet."""
    with new_database(server_url) as url:
        folders = {name: tmp_path / "elsewhere" / name for name in ("training_data_folder", "model_state_folder")}
        yield own.model_copy(update={"database_url": url, **folders})


def rows(settings: Settings, folder: Path) -> dict[str, bytes]:
    """All tables as they are dumped, whatever order their rows lie in."""
    sessions = Sessions(make_engine(settings, "tsad-tests"))
    found = {}
    with sessions.begin() as session:
        for name in dump.table_names():
            path = folder / name
            with path.open("wb") as file:
                dump.write(session, name, dump.Digest(file))
            found[name] = b"".join(sorted(path.read_bytes().splitlines(keepends=True)))
    sessions.engine.dispose()
    return found


def files(settings: Settings) -> dict[str, bytes]:
    stores = Artifacts.of(settings)
    keys = [(store, key.name) for store in (stores.data, stores.states) for key in [*store.keys()]]
    return {name: (root(store) / name).read_bytes() for store, name in keys}


def test_what_is_restored_is_what_was_backed_up_and_goes_on_from_there(
    own: Settings,
    elsewhere: Settings,
    made: Made,
    operate: Tsad,
    training: trainings.Training,
    tmp_path: Path,
) -> None:
    backup = tmp_path / "backup"
    ended = operate(own, "backup", str(backup), "--json")
    assert ended.code == 0, ended.told
    (manifest,) = ended.answers
    assert {name: table["rows"] for name, table in manifest["tables"].items()} == {
        "fit_jobs": 3,
        "series": 1,
        "versions": 2,
        "garbage": 0,
        "api_keys": 0,
        "browser_sessions": 0,
    }
    restored = operate(elsewhere, "restore", str(backup))
    assert restored.code == 0, restored.told
    assert "3 fit_jobs" in restored.out
    assert rows(elsewhere, tmp_path) == rows(own, tmp_path)
    assert files(elsewhere) == files(own)
    assert len(files(own)) == 8
    sessions = Sessions(make_engine(elsewhere, "tsad-tests"))
    with serving(elsewhere) as api:
        verdict = api.post("/predict/a", json={"timestamp": 1, "value": 2.0}).json()
        assert verdict["model_version"] == "1"
        later = api.post("/fit/a", json=ramp()).json()["job_id"]
        worker = replace(training, sessions=sessions, artifacts=Artifacts.of(elsewhere), settings=elsewhere)
        trainings.run(worker, later)
        trainings.run(worker, made.queued)
        assert api.get(f"/jobs/{later}").json()["version"] == "3"
        assert api.get(f"/jobs/{made.queued}").json()["version"] == "1"
        assert api.post(f"/jobs/{made.cancelled}/retry").status_code == 202
    with sessions.begin() as session, pytest.raises(Exception, match="versions never change"):
        session.execute(text("UPDATE versions SET points = 1"))
    sessions.engine.dispose()


def test_a_backup_that_the_first_release_made_is_restored_and_has_todays_schema_then(
    own: Settings, elsewhere: Settings, made: Made, operate: Tsad, tmp_path: Path
) -> None:
    operate(own, "backup", str(tmp_path / "backup"))
    manifest_file = tmp_path / "backup/manifest.json"
    manifest = json.loads(manifest_file.read_text())
    for later in ("api_keys", "browser_sessions"):
        del manifest["tables"][later]
    manifest_file.write_text(json.dumps(manifest | {"revision": "0001"}))
    restored = operate(elsewhere, "restore", str(tmp_path / "backup"))
    assert restored.code == 0, restored.told
    assert rows(elsewhere, tmp_path) == rows(own, tmp_path)
    assert files(elsewhere) == files(own)


def test_an_installation_that_holds_something_is_left_as_it_is(
    own: Settings, made: Made, operate: Tsad, tmp_path: Path
) -> None:
    operate(own, "backup", str(tmp_path / "backup"))
    before = rows(own, tmp_path)
    ended = operate(own, "restore", str(tmp_path / "backup"))
    assert ended.code == 2
    assert "not empty" in ended.told
    assert rows(own, tmp_path) == before
    ended = operate(own, "backup", str(tmp_path / "backup"))
    assert ended.code == 2
    assert "is not empty" in ended.told


def test_of_a_backup_that_was_altered_nothing_is_restored(
    own: Settings, elsewhere: Settings, made: Made, operate: Tsad, tmp_path: Path
) -> None:
    backup = tmp_path / "backup"
    operate(own, "backup", str(backup))
    state = next(backup.glob("artifacts/models/a/*.json"))
    whole = state.read_bytes()
    state.write_bytes(whole + b" ")
    ended = operate(elsewhere, "restore", str(backup))
    assert ended.code == 1
    assert f"lacks a/{state.name}" in ended.told
    assert set(rows(elsewhere, tmp_path).values()) == {b""}
    state.write_bytes(whole)
    table = backup / "tables" / "series.copy"
    table.write_bytes(table.read_bytes().replace(b"1", b"2"))
    ended = operate(elsewhere, "restore", str(backup))
    assert ended.code == 2
    assert "series.copy is not what was written" in ended.told
    (backup / "manifest.json").unlink()
    assert "no complete backup" in operate(elsewhere, "restore", str(backup)).told


def test_an_artifact_that_is_gone_already_is_told_and_the_rest_restored(
    own: Settings, elsewhere: Settings, made: Made, operate: Tsad, tmp_path: Path
) -> None:
    backup = tmp_path / "backup"
    gone = Path(own.training_data_folder, f"b/{made.queued}.npz")
    gone.unlink()
    ended = operate(own, "backup", str(backup), "--json")
    assert ended.code == 1
    assert ended.answers[0]["damaged"] == {f"b/{made.queued}.npz": f"job {made.queued}"}
    assert operate(elsewhere, "restore", str(backup)).code == 0
    assert len(files(elsewhere)) == 7


def test_a_backup_of_another_schema_is_not_forced_into_a_database_that_has_one(
    own: Settings, elsewhere: Settings, made: Made, operate: Tsad, tmp_path: Path
) -> None:
    backup = tmp_path / "backup"
    operate(own, "backup", str(backup))
    manifest = json.loads((backup / "manifest.json").read_text())
    assert manifest["revision"] == schema.expected_revision()
    schema.migrate(elsewhere.database)
    with_other = manifest | {"revision": "0000"}
    (backup / "manifest.json").write_text(json.dumps(with_other))
    ended = operate(elsewhere, "restore", str(backup))
    assert ended.code == 2
    assert "is needed" in ended.told


def test_a_backup_comes_into_a_new_home_whose_servers_do_not_run(
    own: Settings, made: Made, operate: Tsad, tmp_path: Path
) -> None:
    operate(own, "backup", str(tmp_path / "backup"))
    with tempfile.TemporaryDirectory(prefix="tsad-test-") as folder:  # pytest's own are closed to the servers' user
        Path(folder).chmod(0o711)
        home = {"TSAD_HOME": f"{folder}/home", "DATABASE_URL": "", "TRAINING_DATA_FOLDER": "", "MODEL_STATE_FOLDER": ""}
        nothing = operate(own, "backup", str(tmp_path / "nothing"), **home)
        assert (nothing.code, Path(folder, "home").exists()) == (2, False)
        assert operate(own, "restore", str(tmp_path / "backup"), **home).code == 0
        assert len(list(Path(folder).glob("home/artifacts/*/*/*.*"))) == 8
        looked = operate(own, "doctor", "--json", **home)
        assert "8 of 8 are there and whole" in looked.out
        ended = operate(own, "backup", str(tmp_path / "again"), "--json", **home)
        assert ended.code == 0, ended.told
        first = json.loads((tmp_path / "backup" / "manifest.json").read_text())
        again = ended.answers[0]
        assert {name: table["rows"] for name, table in again["tables"].items()} == {
            name: table["rows"] for name, table in first["tables"].items()
        }
