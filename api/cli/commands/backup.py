"""`tsad backup`: write rows, and the artifacts they refer to, into a folder of files."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli.backups import BackupFolder, copy_artifacts, print_report, private, require_revision
from api.cli.installation import installation, open_sessions, with_long_transactions
from api.cli.options import AsJson, HomeFolder
from shared import __version__
from shared.artifacts import Artifacts
from shared.errors import Code, InputError
from shared.store import dump, inspection, schema
from shared.store.engine import Session


def backup(
    folder: Annotated[Path, typer.Argument(help="Folder to write to; it must be empty or not exist.")],
    *,
    without_points: Annotated[
        bool, typer.Option("--without-points", help="Leave out stored points, which are most of the rows.")
    ] = False,
    home: HomeFolder = None,
    as_json: AsJson = False,
) -> None:
    """Back up a snapshot of all rows, then every artifact they refer to, verifying each SHA-256.

    The service can keep running.
    The backup must finish within GARBAGE_GRACE_S: after that, artifacts not copied yet may be deleted.

    [bold]tsad backup /backups/2026-01-31[/]
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(
            Code.INVALID_FILE, f"{folder} is not an empty folder: choose one that is empty or does not exist."
        )
    target = BackupFolder(folder)
    with (
        installation(home) as settings,
        open_sessions(with_long_transactions(settings), "tsad-backup") as sessions,
    ):
        require_revision(sessions, schema.expected_revision())
        with sessions.begin() as session:
            dump.use_one_snapshot(session)
            names = [name for name in dump.table_names() if not (without_points and name == dump.POINTS)]
            tables = {name: _write_table(session, name, target) for name in names}
            result = copy_artifacts(inspection.references(session), Artifacts.of(settings), target.artifacts)
    manifest = {
        "tsad": __version__,
        "revision": schema.expected_revision(),
        "made_at": datetime.now(UTC).isoformat(),
        "tables": tables,
        "artifacts": result.copied,
        "damaged": result.damaged,
    }
    target.write_manifest(manifest)
    print_report(manifest, "written to", target, as_json=as_json)
    if result.damaged:
        raise typer.Exit(1)


def _write_table(session: Session, name: str, target: BackupFolder) -> dict[str, Any]:
    """Write the rows of a table and return its entry in the manifest."""
    path = target.table_file(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb", opener=private) as file:
        digest = dump.Digest(file)
        rows = dump.write(session, name, digest)
    return {"columns": dump.columns(name), "rows": rows, "sha256": digest.sha256.hexdigest()}
