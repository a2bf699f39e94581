"""`tsad restore`: restore a backup into an empty installation."""

from pathlib import Path
from typing import Annotated

import typer

from api.cli.backups import BackupFolder, copy_artifacts, print_report, require_revision
from api.cli.installation import installation, open_sessions, with_long_transactions
from api.cli.options import AsJson, HomeFolder
from shared.artifacts import Artifacts
from shared.errors import Code, DamagedError, SetupError
from shared.store import deliveries, dump, inspection, notices, receivers, schema, streams

MAX_LISTED = 20


def restore(
    folder: Annotated[Path, typer.Argument(help="Folder that `tsad backup` wrote.")],
    *,
    home: HomeFolder = None,
    as_json: AsJson = False,
) -> None:
    """Restore a backup into an empty installation, all or nothing, then migrate the schema to this release.

    The SHA-256 of each file is verified.
    Streams count as arrived now, so that none is silent because of the restore.
    Messages that waited are dropped, and receivers stay disabled until `tsad receivers resume`.
    Without DATABASE_URL, the target is the home of `tsad up`, which is created if needed.

    [bold]tsad restore /backups/2026-01-31 --home /srv/tsad[/]
    """
    source = BackupFolder(folder)
    manifest = source.read_manifest()
    with (
        installation(home, create=True) as settings,
        open_sessions(with_long_transactions(settings), "tsad-backup") as sessions,
    ):
        if schema.current_revision(sessions) is None:
            schema.migrate(settings.database, manifest["revision"])
        require_revision(sessions, manifest["revision"])
        with sessions.begin() as session:
            if not dump.is_empty(session):
                raise SetupError(Code.CONFIGURATION, "The database is not empty: restore into a new one.")
            with dump.loading(session):
                for name, table in manifest["tables"].items():
                    with source.open_table(name) as file:
                        dump.read(session, name, table["columns"], file)
            if "receivers" in manifest["tables"]:  # an outbound process may run already
                receivers.disable_all(session, "The installation was restored from a backup.")
                deliveries.drop_waiting(session)
                notices.forget(session)
            result = copy_artifacts(inspection.references(session), source.artifacts, Artifacts.of(settings))
            if newly_damaged := sorted(set(result.damaged) - set(manifest["damaged"])):
                raise DamagedError(
                    Code.ARTIFACT_DAMAGED,
                    f"Missing or damaged in the backup: {', '.join(newly_damaged[:MAX_LISTED])}. Nothing was restored.",
                )
        schema.migrate(settings.database)
        with sessions.begin() as session:
            streams.restart_silence(session)
    print_report(manifest | {"artifacts": result.copied}, "restored from", source, as_json=as_json)
