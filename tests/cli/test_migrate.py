"""`tsad migrate` as a separate process."""

import os
import subprocess
import sys
from pathlib import Path

from shared.embedded.ports import free_port
from shared.settings import Settings
from shared.store import schema
from shared.store.engine import Sessions, make_engine
from tests.processes import new_database


def migrate(folder: Path, database_url: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "api.cli.main", "migrate"],
        env={**os.environ, "DATABASE_URL": database_url},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_migrate_upgrades_an_empty_database_and_does_nothing_the_second_time(
    settings: Settings, server_url: str, tmp_path: Path
) -> None:
    with new_database(server_url) as url:
        for _ in range(2):
            result = migrate(tmp_path, url)
            assert result.returncode == 0, result.stderr
        sessions = Sessions(make_engine(settings.model_copy(update={"database_url": url}), "tsad-tests"))
        assert schema.current_revision(sessions) == schema.expected_revision()
        sessions.engine.dispose()


def test_an_unreachable_database_is_reported_without_its_password(tmp_path: Path) -> None:
    result = migrate(tmp_path, f"postgresql://tsad:hunter2@127.0.0.1:{free_port()}/tsad")
    assert result.returncode == 2
    assert result.stderr.startswith("The schema cannot be migrated: ")
    assert "Traceback" not in result.stderr
    assert "hunter2" not in result.stderr
