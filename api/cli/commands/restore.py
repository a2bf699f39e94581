"""`tsad restore`: what `tsad backup` wrote, into an installation that is empty."""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli.commands.backup import MANIFEST, check_revision, connected, copy, stores, table_file, tell
from api.cli.installation import installation
from api.cli.options import AsJson, OfHome
from shared.artifacts import Artifacts
from shared.errors import Code, DamagedError, InputError, SetupError
from shared.store import dump, inspection, schema

MOST_LISTED = 20


def restore(
    folder: Annotated[Path, typer.Argument(help="What `tsad backup` wrote.")],
    *,
    home: OfHome = None,
    as_json: AsJson = False,
) -> None:
    """Bring a backup into an installation that is empty: all of it, or nothing. Then the schema becomes this release's.

    Each file is compared with its sha256. With no DATABASE_URL, into the home of `tsad up`, which is made if need be.

    [bold]tsad restore /backups/2026-01-31 --home /srv/tsad[/]
    """
    manifest = checked_manifest(folder)
    with installation(home, make=True) as settings, connected(settings) as sessions:
        if schema.current_revision(sessions) is None:
            schema.migrate(settings.database, manifest["revision"])
        check_revision(sessions, manifest["revision"])
        with sessions.begin() as session:
            if not dump.is_empty(session):
                raise SetupError(Code.CONFIGURATION, "The database is not empty: a backup is restored into a new one.")
            with dump.loading(session):
                for name, table in manifest["tables"].items():
                    with table_file(folder, name).open("rb") as file:
                        dump.read(session, name, table["columns"], file)
            files, damaged = copy(inspection.references(session), stores(folder), Artifacts.of(settings))
            if unknown := sorted(set(damaged) - set(manifest["damaged"])):
                raise DamagedError(
                    Code.ARTIFACT_DAMAGED, f"The backup lacks {', '.join(unknown[:MOST_LISTED])}: nothing is restored."
                )
        schema.migrate(settings.database)
    tell(manifest | {"artifacts": files}, "restored from", folder, as_json=as_json)


def checked_manifest(folder: Path) -> dict[str, Any]:
    """What a backup says of itself; `InputError` when it is none, or its rows are not those that were written."""
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
        for name, table in manifest["tables"].items():
            with table_file(folder, name).open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != table["sha256"]:
                    raise InputError(Code.INVALID_FILE, f"{file.name} is not what was written: nothing is restored.")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(Code.INVALID_FILE, f"{folder} is no complete backup: {error}.") from None
    return manifest
