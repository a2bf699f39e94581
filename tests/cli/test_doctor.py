"""`tsad doctor` and `tsad gc` on healthy and damaged installations."""

from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import text

from shared.artifacts import Artifacts, data_key
from shared.domain.watching.sources import parse
from shared.embedded.ports import free_port
from shared.queue import messages_waiting
from shared.settings import Settings
from shared.store import fetching, inspection, schema, sources
from shared.store.engine import Sessions
from shared.telemetry import connect, report_alive
from tests.cli.commands import Result, Tsad
from tests.points import ramp
from tests.processes import new_database, serving
from worker import training as trainings


@pytest.fixture
def jobs(installation: Settings, installation_training: trainings.Training) -> list[str]:
    """A succeeded and a queued job."""
    with serving(installation) as api:
        succeeded, queued = (str(api.post("/fit/a", json=ramp()).json()["job_id"]) for _ in range(2))
    trainings.run(installation_training, succeeded)
    return [succeeded, queued]


def states(result: Result) -> dict[str, str]:
    """Return the worst state of each check."""
    order = ["ok", "warning", "failed"]
    worst: dict[str, str] = {}
    for finding in result.answers:
        worst_so_far = worst.get(finding["check"], "ok")
        worst[finding["check"]] = max(worst_so_far, finding["state"], key=order.index)
    return worst


def report_worker(installation: Settings) -> None:
    client = connect(installation.redis)
    report_alive(client, "fit-1@here")
    client.close()


def test_a_healthy_installation_exits_with_code_0(installation: Settings, operate: Tsad, jobs: list[str]) -> None:
    report_worker(installation)
    result = operate(installation, "doctor", "--json")
    assert result.code == 0, result.out
    assert set(states(result).values()) == {"ok"}
    checks = {
        "settings",
        "schema",
        "redis",
        "workers",
        "queue",
        "streams",
        "receivers",
        "clocks",
        "disk",
        "artifacts",
    } | {"sources"}
    assert states(result).keys() == checks
    assert "4 of 4 intact" in result.out
    assert "1 queued, 0 running" in result.out
    assert operate(installation, "doctor").out.splitlines()[0].split() == ["check", "state", "detail"]


def test_missing_and_altered_files_are_reported(installation: Settings, operate: Tsad, jobs: list[str]) -> None:
    report_worker(installation)
    succeeded, queued = jobs
    Path(installation.training_data_folder, f"a/{queued}.npz").unlink()
    state = Path(installation.model_state_folder, f"a/{succeeded}.1.json")
    state.write_bytes(state.read_bytes().replace(b"1", b"2", 1))
    result = operate(installation, "doctor", "--json")
    assert result.code == 1
    assert states(result)["artifacts"] == "failed"
    details = " ".join(finding["detail"] for finding in result.answers)
    assert f"a/{queued}.npz (job {queued}): An artifact is missing" in details
    assert f"a/{succeeded}.1.json (version 1 of a): An artifact in the store was altered" in details
    assert "2 of 4 intact" in details
    assert operate(installation, "doctor", "--quick").code == 0


def test_an_old_schema_is_reported_and_migrated_with_fix(
    installation: Settings, operate: Tsad, server_url: str
) -> None:
    report_worker(installation)
    with new_database(server_url) as url:
        empty = installation.model_copy(update={"database_url": url})
        result = operate(empty, "doctor", "--quick", "--json")
        assert (result.code, states(result)["schema"]) == (1, "failed")
        assert "run `tsad migrate`; in a home of `tsad up`, restart `tsad up`" in result.out
        assert "revision none" in result.out
        assert operate(empty, "doctor", "--quick", "--fix").code == 0
        assert f"revision {schema.expected_revision()}, as" in operate(empty, "doctor", "--quick").out


def test_a_queued_job_without_a_message_is_reported_and_announced_with_fix(
    installation: Settings, operate: Tsad, jobs: list[str], installation_sessions: Sessions
) -> None:
    report_worker(installation)
    client = connect(installation.redis)
    client.delete("fit")
    with installation_sessions.begin() as session:
        session.execute(text("UPDATE fit_jobs SET created_at = created_at - interval '1 h' WHERE status = 'queued'"))
    result = operate(installation, "doctor", "--json")
    assert (result.code, states(result)["queue"]) == (0, "warning")
    assert "sent 1 message again" in operate(installation, "doctor", "--fix").out
    assert messages_waiting(client) == 1
    client.close()


def test_a_running_job_with_an_expired_lease_is_reported(
    installation: Settings, operate: Tsad, jobs: list[str], installation_sessions: Sessions
) -> None:
    report_worker(installation)
    with installation_sessions.begin() as session:
        session.execute(
            text(
                "UPDATE fit_jobs SET status = 'running', attempt = 1, lease_until = clock_timestamp() - interval '1 s' "
                "WHERE status = 'queued'"
            )
        )
    result = operate(installation, "doctor", "--json")
    assert states(result)["queue"] == "warning"
    assert "is the reconciler running?" in result.out


def test_a_source_that_fails_is_reported_with_its_reason(
    settings: Settings, operate: Tsad, sessions: Sessions, series_id: str
) -> None:
    document = {
        "kind": "prometheus",
        "url": "http://prometheus:9090",
        "queries": [{"query": "up", "id_template": "{job}"}],
    }
    name = series_id[:60]
    with sessions.begin() as session:
        sources.put(session, parse(name, document, max_history_s=10**9))
        now = inspection.clock(session)
        lease = fetching.claim(session, now)
        assert lease
        assert lease.source.name == name
        progress = fetching.Progress(detail="up: prometheus refused the connection.")
        fetching.finish(session, lease, progress, now, 10**6, failed=True)
    found = [one for one in operate(settings, "doctor", "--quick", "--json").answers if one["check"] == "sources"]
    with sessions.begin() as session:
        sources.delete(session, name)
    since = f"{now:%Y-%m-%d %H:%M:%S} UTC"
    expected = {"check": "sources", "state": "warning", "detail": f"{name} fails since {since}: {progress.detail}"}
    assert expected in found


def test_an_unreachable_server_is_reported_and_the_other_checks_still_run(
    installation: Settings, operate: Tsad
) -> None:
    closed = f"127.0.0.1:{free_port()}"
    result = operate(installation, "doctor", "--json", REDIS_URL=f"redis://{closed}/0")
    assert result.code == 1
    assert states(result) | {"redis": "", "workers": ""} == dict.fromkeys(states(result), "ok") | {
        "redis": "",
        "workers": "",
    }
    assert (states(result)["redis"], states(result)["workers"]) == ("failed", "failed")
    result = operate(installation, "doctor", "--json", DATABASE_URL=f"postgresql://{closed}/tsad")
    assert (states(result)["schema"], states(result)["redis"]) == ("failed", "ok")


def test_a_missing_installation_is_reported_in_a_sentence(
    installation: Settings, operate: Tsad, tmp_path: Path
) -> None:
    home = tmp_path / "nowhere"
    result = operate(installation, "doctor", "--home", str(home), DATABASE_URL="", REDIS_URL="")
    assert result.code == 2
    assert f"DATABASE_URL is not set, and {home} is not a home of `tsad up`" in result.err
    assert not home.exists()


def test_gc_lists_unreferenced_artifacts_and_deletes_them_after_the_grace_period(
    installation: Settings, operate: Tsad, installation_sessions: Sessions
) -> None:
    orphan = data_key("a", str(uuid4()))
    Artifacts.of(installation).data.put(orphan, b"unreferenced")
    result = operate(installation, "gc", "--dry-run")
    assert (result.code, result.out) == (0, f"{orphan}\n"), result.err
    assert operate(installation, "gc").out == "0 artifacts deleted\n"
    with installation_sessions.begin() as session:
        session.execute(text("UPDATE garbage SET noted_at = noted_at - interval '2 h'"))
    assert operate(installation, "gc", "--json").answers == [{"deleted": 1}]
    assert list(Artifacts.of(installation).data.keys()) == []
