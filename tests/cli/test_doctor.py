"""`tsad doctor` and `tsad gc` on installations that are well, and that are not."""

from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import text

from shared.artifacts import Artifacts, data_key
from shared.embedded.ports import free_port
from shared.queue import messages_waiting
from shared.settings import Settings
from shared.store import schema
from shared.store.engine import Sessions
from shared.telemetry import connect, report_alive
from tests.cli.commands import Ended, Tsad
from tests.points import ramp
from tests.processes import new_database, serving
from worker import training as trainings


@pytest.fixture
def jobs(own: Settings, own_sessions: Sessions, training: trainings.Training) -> list[str]:
    """One that succeeded, one that waits."""
    with serving(own) as api:
        done, waiting = (str(api.post("/fit/a", json=ramp()).json()["job_id"]) for _ in range(2))
    trainings.run(replace(training, sessions=own_sessions, artifacts=Artifacts.of(own), settings=own), done)
    return [done, waiting]


def states(ended: Ended) -> dict[str, str]:
    """The worst that each check found."""
    order = ["ok", "warning", "failed"]
    found: dict[str, str] = {}
    for finding in ended.answers:
        before = found.get(finding["check"], "ok")
        found[finding["check"]] = max(before, finding["state"], key=order.index)
    return found


def alive(own: Settings) -> None:
    client = connect(own.redis)
    report_alive(client, "fit-1@here")
    client.close()


def test_an_installation_that_is_well_is_exit_code_0(own: Settings, operate: Tsad, jobs: list[str]) -> None:
    alive(own)
    ended = operate(own, "doctor", "--json")
    assert ended.code == 0, ended.out
    assert set(states(ended).values()) == {"ok"}
    assert states(ended).keys() == {"settings", "schema", "redis", "workers", "queue", "clocks", "disk", "artifacts"}
    assert "4 of 4 are there and whole" in ended.out
    assert "1 queued, 0 running" in ended.out
    assert operate(own, "doctor").out.splitlines()[0].split() == ["check", "state", "detail"]


def test_files_that_are_gone_or_altered_are_found(own: Settings, operate: Tsad, jobs: list[str]) -> None:
    alive(own)
    done, waiting = jobs
    Path(own.training_data_folder, f"a/{waiting}.npz").unlink()
    state = Path(own.model_state_folder, f"a/{done}.1.json")
    state.write_bytes(state.read_bytes().replace(b"1", b"2", 1))
    ended = operate(own, "doctor", "--json")
    assert ended.code == 1
    assert states(ended)["artifacts"] == "failed"
    sentences = " ".join(finding["detail"] for finding in ended.answers)
    assert f"a/{waiting}.npz, of job {waiting}: An artifact is missing" in sentences
    assert f"a/{done}.1.json, of version 1 of a: An artifact in the store is not what was stored" in sentences
    assert "2 of 4 are there" in sentences
    assert operate(own, "doctor", "--quick").code == 0


def test_an_old_schema_is_found_and_migrated_when_asked(own: Settings, operate: Tsad, server_url: str) -> None:
    alive(own)
    with new_database(server_url) as url:
        empty = own.model_copy(update={"database_url": url})
        ended = operate(empty, "doctor", "--quick", "--json")
        assert (ended.code, states(ended)["schema"]) == (1, "failed")
        assert "run `tsad migrate`" in ended.out
        assert operate(empty, "doctor", "--quick", "--fix").code == 0
        assert f"it is {schema.expected_revision()}" in operate(empty, "doctor", "--quick").out


def test_a_job_that_waits_without_a_message_is_found_and_announced_when_asked(
    own: Settings, operate: Tsad, jobs: list[str], own_sessions: Sessions
) -> None:
    alive(own)
    client = connect(own.redis)
    client.delete("fit")
    with own_sessions.begin() as session:
        session.execute(text("UPDATE fit_jobs SET created_at = created_at - interval '1 h' WHERE status = 'queued'"))
    ended = operate(own, "doctor", "--json")
    assert (ended.code, states(ended)["queue"]) == (0, "warning")
    assert "1 are announced again" in operate(own, "doctor", "--fix").out
    assert messages_waiting(client) == 1
    client.close()


def test_a_running_job_whose_worker_is_silent_is_found(
    own: Settings, operate: Tsad, jobs: list[str], own_sessions: Sessions
) -> None:
    alive(own)
    with own_sessions.begin() as session:
        session.execute(
            text(
                "UPDATE fit_jobs SET status = 'running', attempt = 1, lease_until = clock_timestamp() - interval '1 s' "
                "WHERE status = 'queued'"
            )
        )
    ended = operate(own, "doctor", "--json")
    assert states(ended)["queue"] == "warning"
    assert "does the reconciler run?" in ended.out


def test_what_is_away_is_found_and_the_rest_still_looked_at(own: Settings, operate: Tsad) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    ended = operate(own, "doctor", "--json", REDIS_URL=f"redis://{nowhere}/0")
    assert ended.code == 1
    assert states(ended) | {"redis": "", "workers": ""} == dict.fromkeys(states(ended), "ok") | {
        "redis": "",
        "workers": "",
    }
    assert (states(ended)["redis"], states(ended)["workers"]) == ("failed", "failed")
    ended = operate(own, "doctor", "--json", DATABASE_URL=f"postgresql://{nowhere}/tsad")
    assert (states(ended)["schema"], states(ended)["redis"]) == ("failed", "ok")


def test_without_an_installation_it_is_a_sentence(own: Settings, operate: Tsad, tmp_path: Path) -> None:
    ended = operate(own, "doctor", DATABASE_URL="", REDIS_URL="", TSAD_HOME=str(tmp_path / "nowhere"))
    assert ended.code == 2
    assert "is not set" in ended.told
    assert not (tmp_path / "nowhere").exists()


def test_gc_lists_what_has_no_owner_and_deletes_it_after_the_grace(
    own: Settings, operate: Tsad, own_sessions: Sessions
) -> None:
    lost = data_key("a", str(uuid4()))
    Artifacts.of(own).data.put(lost, b"nobody's")
    ended = operate(own, "gc", "--dry-run")
    assert (ended.code, ended.out) == (0, f"{lost}\n"), ended.told
    assert operate(own, "gc").out == "0 artifacts deleted\n"
    with own_sessions.begin() as session:
        session.execute(text("UPDATE garbage SET noted_at = noted_at - interval '2 h'"))
    assert operate(own, "gc", "--json").answers == [{"deleted": 1}]
    assert list(Artifacts.of(own).data.keys()) == []
