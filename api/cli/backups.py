"""A backup folder, and functions that backup and restore share."""

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from rich.progress import Progress

from api.cli.installation import store_of
from api.cli.output import note, notes_console, show_json
from shared.artifacts import Artifacts, LocalFolder
from shared.errors import Code, DamagedError, InputError, SetupError
from shared.store import schema
from shared.store.engine import Sessions
from shared.store.inspection import Reference
from shared.wording import counted

WRITERS = 8  # threads, because each file waits for the disk
FILES_AT_A_TIME = 500

Manifest = dict[str, Any]  # tsad, revision, made_at, tables, artifacts, damaged


@dataclass(frozen=True)
class BackupFolder:
    """The manifest, table rows and artifacts of a backup."""

    path: Path

    @property
    def manifest_file(self) -> Path:
        """Path of the manifest. It is written last: a folder without it is not a backup."""
        return self.path / "manifest.json"

    @property
    def artifacts(self) -> Artifacts:
        """Artifact stores inside the folder."""
        return Artifacts(LocalFolder(self.path / "artifacts/data"), LocalFolder(self.path / "artifacts/models"))

    def table_file(self, table: str) -> Path:
        """Return the path of a table's rows, in COPY's text format."""
        return self.path / "tables" / f"{table}.copy"

    def write_manifest(self, manifest: Manifest) -> None:
        """Write the manifest atomically."""
        unfinished = self.manifest_file.with_name(f"{self.manifest_file.name}.new")
        unfinished.write_text(json.dumps(manifest, indent=1))
        unfinished.rename(self.manifest_file)

    def read_manifest(self) -> Manifest:
        """Read the manifest; raise `InputError` when it is incomplete or a table's SHA-256 differs from it."""
        try:
            manifest: Manifest = json.loads(self.manifest_file.read_text())
            for name, table in manifest["tables"].items():
                path = self.table_file(name)
                with path.open("rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
                if digest != table["sha256"]:
                    raise InputError(
                        Code.INVALID_FILE, f"{path} does not match its SHA-256 in the manifest. Nothing was restored."
                    )
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(Code.INVALID_FILE, f"{self.path} is not a complete backup: {error}.") from None
        return manifest


@dataclass
class CopyResult:
    """The number of copied files, and the damaged files with the row that refers to each."""

    copied: int = 0
    damaged: dict[str, str] = field(default_factory=dict)  # owner by key


def copy_artifacts(references: Iterator[Reference], source: Artifacts, target: Artifacts) -> CopyResult:
    """Copy the artifacts that match their SHA-256; report the others on standard error."""

    def copy(reference: Reference) -> str:
        """Copy a file; return a description of its damage, or an empty string."""
        try:
            content = store_of(source, reference).get(reference.artifact)
            store_of(target, reference).put(reference.artifact.key, content)
        except DamagedError as error:
            return error.detail
        return ""

    result = CopyResult()
    with Progress(console=notes_console(), transient=True) as progress, ThreadPoolExecutor(WRITERS, "copy") as writers:
        bar = progress.add_task("artifacts", total=None)
        while group := list(islice(references, FILES_AT_A_TIME)):
            for reference, damage in zip(group, writers.map(copy, group), strict=True):
                if damage:
                    result.damaged[reference.artifact.key] = reference.owner
                    note(f"{reference.artifact.key} ({reference.owner}): {damage}")
                else:
                    result.copied += 1
            progress.advance(bar, len(group))
    return result


def require_revision(sessions: Sessions, revision: str | None) -> None:
    """Raise `SetupError` unless the database has this schema revision."""
    current = schema.current_revision(sessions)
    if current != revision:
        raise SetupError(
            Code.CONFIGURATION,
            f"The schema is {current or 'empty'}, but {revision} is required: "
            "migrate it, or restore into a new database.",
        )


def print_report(manifest: Manifest, action: str, folder: BackupFolder, *, as_json: bool) -> None:
    """Print the numbers of rows and artifacts; `action` is `written to` or `restored from`."""
    if as_json:
        show_json({"folder": str(folder.path), **manifest})
        return
    rows = ", ".join(f"{table['rows']:,} {name}" for name, table in manifest["tables"].items())
    print(f"{rows} and {counted(manifest['artifacts'], 'artifact')} {action} {folder.path}.")
