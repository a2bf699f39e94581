"""`tsad restore` reads only what `tsad backup` writes."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.settings import Settings
from tests.cli.commands import run
from tests.processes import migrated_database


def changed(keys: str, value: Any) -> Callable[[Path], None]:
    """Return a function that changes one value of a backup's manifest; keys: joined by spaces."""

    def change(backup: Path) -> None:
        file = backup / "manifest.json"
        manifest = part = json.loads(file.read_text())
        *parents, last = keys.split(" ", 2)
        for key in parents:
            part = part[key]
        part[last] = value
        file.write_text(json.dumps(manifest))

    return change


def replaced(path: str, replace_file: Callable[[Path], object]) -> Callable[[Path], None]:
    """Return a function that replaces a file of a backup."""

    def change(backup: Path) -> None:
        file = backup / path
        file.rename(backup / "moved")
        replace_file(file)

    return change


ENTRY = {"columns": ["key"], "rows": 1, "sha256": "0" * 64}
ROWS = "tables/series.copy"
MALICIOUS: dict[str, Callable[[Path], None]] = {
    "a path as a table": changed("tables ../../../etc/passwd", ENTRY),
    "SQL as a table": changed("tables series(series_id)FROM\tPROGRAM\t'id'", ENTRY),
    "a table of the system": changed("tables pg_authid", ENTRY),
    "SQL as a column": changed("tables series columns", ["series_id\") FROM PROGRAM 'id' --"]),
    "a number as columns": changed("tables series columns", 7),
    "a list as a column": changed("tables series columns", [["series_id"]]),
    "text as rows": changed("tables series rows", "many"),
    "a list as a digest": changed("tables series sha256", []),
    "a list as tables": changed("tables", []),
    "an unknown revision": changed("revision", "9999"),
    "a revision that is a command": changed("revision", "base"),
    "a number as a revision": changed("revision", 1),
    "a list as a revision": changed("revision", ["0001"]),
    "text as damage": changed("damaged", "none"),
    "no number of artifacts": changed("artifacts", None),
    "a link as rows": replaced(ROWS, lambda file: file.symlink_to(file.parent.parent / "moved")),
    "a pipe as rows": replaced(ROWS, os.mkfifo),
    "a folder as rows": replaced(ROWS, Path.mkdir),
    "a link as the manifest": replaced("manifest.json", lambda file: file.symlink_to(file.parent / "moved")),
    "a pipe as the manifest": replaced("manifest.json", os.mkfifo),
    "a list as the manifest": replaced("manifest.json", lambda file: file.write_text("[]")),
    "a deep manifest": replaced("manifest.json", lambda file: file.write_text("[" * 100_000)),
}


@pytest.fixture(scope="module")
def empty_backup(tmp_path_factory: pytest.TempPathFactory, server_url: str, settings: Settings) -> Path:
    """A backup of an installation without series."""
    folder = tmp_path_factory.mktemp("empty")
    with migrated_database(server_url) as url:
        environment = {"DATABASE_URL": url, "REDIS_URL": settings.redis}
        assert run("backup", str(folder / "backup"), **environment).code == 0
    return folder / "backup"


@pytest.mark.parametrize("change", MALICIOUS.values(), ids=MALICIOUS)
def test_a_malicious_backup_is_rejected_before_anything_is_restored(
    change: Callable[[Path], None], empty_backup: Path, tmp_path: Path
) -> None:
    backup = tmp_path / "backup"
    shutil.copytree(empty_backup, backup)
    change(backup)
    result = run("restore", str(backup), DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")  # it never connects
    assert result.code == 2
    assert f"{backup} is not a complete backup" in result.err


def test_a_backup_can_be_read_only_by_its_owner(empty_backup: Path) -> None:
    files_of_backup = [path for path in empty_backup.rglob("*") if path.is_file()]
    assert files_of_backup
    assert {path.stat().st_mode & 0o777 for path in files_of_backup} == {0o600}
