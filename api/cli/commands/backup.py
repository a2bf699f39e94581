"""`tsad backup`: rows and the artifacts they refer to, as a folder of files."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress

from api.cli.installation import installation, patient_with
from api.cli.options import AsJson, OfHome
from api.cli.output import note, notes, show_json
from shared import __version__
from shared.artifacts import Artifacts, LocalFolder
from shared.errors import Code, DamagedError, InputError, SetupError
from shared.settings import Settings
from shared.store import dump, inspection, schema
from shared.store.engine import Sessions, make_engine

WRITERS = 8  # side by side: each file waits for the disk
FILES_AT_A_TIME = 500
MANIFEST = "manifest.json"  # written last: a folder without one is no backup


def backup(
    folder: Annotated[Path, typer.Argument(help="Where to write it: a folder that is empty or does not exist.")],
    *,
    home: OfHome = None,
    as_json: AsJson = False,
) -> None:
    """Write all rows, as of one moment, and then every artifact that they refer to, each compared with its sha256.

    Nothing has to stand still meanwhile. Keep it shorter than GARBAGE_GRACE_S, within which no artifact is deleted.

    [bold]tsad backup /backups/2026-01-31[/]
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(Code.INVALID_FILE, f"{folder} is not empty: name a folder that does not exist.")
    with installation(home) as settings, connected(settings) as sessions:
        check_revision(sessions, schema.expected_revision())
        with sessions.begin() as session:
            dump.see_one_moment(session)
            tables = {name: write_table(session, name, folder) for name in dump.table_names()}
            files, damaged = copy(inspection.references(session), Artifacts.of(settings), stores(folder))
    manifest = {
        "tsad": __version__,
        "revision": schema.expected_revision(),
        "made_at": datetime.now(UTC).isoformat(),
        "tables": tables,
        "artifacts": files,
        "damaged": damaged,
    }
    unfinished = folder / f"{MANIFEST}.new"
    unfinished.write_text(json.dumps(manifest, indent=1))
    unfinished.rename(folder / MANIFEST)
    tell(manifest, "written to", folder, as_json=as_json)
    if damaged:
        raise typer.Exit(1)


@contextmanager
def connected(settings: Settings) -> Iterator[Sessions]:
    """Transactions that may take as long as all files take."""
    sessions = Sessions(make_engine(patient_with(settings), "tsad-backup"))
    try:
        yield sessions
    finally:
        sessions.engine.dispose()


def stores(folder: Path) -> Artifacts:
    """Where a backup has its artifacts."""
    return Artifacts(LocalFolder(folder / "artifacts/data"), LocalFolder(folder / "artifacts/models"))


def table_file(folder: Path, name: str) -> Path:
    """Where a backup has the rows of a table."""
    return folder / "tables" / f"{name}.copy"


def write_table(session: Any, name: str, folder: Path) -> dict[str, Any]:
    """Write the rows of a table; what the manifest says of them."""
    path = table_file(folder, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        digest = dump.Digest(file)
        rows = dump.write(session, name, digest)
    return {"columns": dump.columns(name), "rows": rows, "sha256": digest.sha256.hexdigest()}


def copy(
    references: Iterator[inspection.Reference], source: Artifacts, target: Artifacts
) -> tuple[int, dict[str, str]]:
    """Copy what is whole; how many files that were, and what is not whole, by key, with the row that refers to it."""

    def copied(reference: inspection.Reference) -> str:
        """Nothing, or what is wrong with the file."""
        taken, given = (source.states, target.states) if reference.of_state else (source.data, target.data)
        try:
            given.put(reference.artifact.key, taken.get(reference.artifact))
        except DamagedError as error:
            return error.detail
        return ""

    whole, damaged = 0, {}
    with Progress(console=notes(), transient=True) as progress, ThreadPoolExecutor(WRITERS, "copy") as writers:
        bar = progress.add_task("artifacts", total=None)
        while group := list(islice(references, FILES_AT_A_TIME)):
            for reference, wrong in zip(group, writers.map(copied, group), strict=True):
                if wrong:
                    damaged[reference.artifact.key] = reference.owner
                    note(f"{reference.artifact.key}, of {reference.owner}: {wrong}")
                else:
                    whole += 1
            progress.advance(bar, len(group))
    return whole, damaged


def check_revision(sessions: Sessions, revision: str | None) -> None:
    """Raise `SetupError` unless the database has this schema."""
    found = schema.current_revision(sessions)
    if found != revision:
        raise SetupError(
            Code.CONFIGURATION,
            f"The schema is {found} where {revision} is needed: migrate it, or restore into a new database.",
        )


def tell(manifest: dict[str, Any], done: str, folder: Path, *, as_json: bool) -> None:
    """What was moved."""
    if as_json:
        show_json({"folder": str(folder), **manifest})
        return
    rows = ", ".join(f"{table['rows']:,} {name}" for name, table in manifest["tables"].items())
    print(f"{rows} and {manifest['artifacts']:,} artifacts are {done} {folder}.")
