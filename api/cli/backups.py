"""A backup folder, and functions that backup and restore share."""

import hashlib
import json
import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from io import BufferedReader
from itertools import islice
from pathlib import Path
from typing import Any

from rich.progress import Progress

from api.cli.installation import store_of
from api.cli.output import note, notes_console, show_json
from shared.artifacts import Artifacts, LocalFolder
from shared.domain.archives import MAX_BYTES
from shared.errors import Code, DamagedError, InputError, SetupError
from shared.store import dump, schema
from shared.store.engine import Sessions
from shared.store.inspection import Reference
from shared.wording import counted

WRITERS = 8  # threads, because each file waits for the disk
FILES_AT_A_TIME = 500
MAX_MANIFEST_BYTES = 100 * 2**20

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
        with open(unfinished, "w", opener=private) as file:
            json.dump(manifest, file, indent=1)
        unfinished.rename(self.manifest_file)

    def read_manifest(self) -> Manifest:
        """Read the manifest; raise `InputError` when it is incomplete or a table's SHA-256 differs from it.

        Somebody else may have written it, so its names are compared with those that exist before anything uses them.
        """
        try:
            with self._open(self.manifest_file) as file:
                manifest = _checked(json.loads(file.read(MAX_MANIFEST_BYTES)))
            for name, table in manifest["tables"].items():
                with self.open_table(name) as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
                if digest != table["sha256"]:
                    raise InputError(
                        Code.INVALID_FILE,
                        f"{self.table_file(name)} does not match its SHA-256 in the manifest. Nothing was restored.",
                    )
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(Code.INVALID_FILE, f"{self.path} is not a complete backup: {error}.") from None
        return manifest

    def open_table(self, table: str) -> BufferedReader:
        """Open the rows of a table; raise `OSError` for a link, a pipe or a device."""
        return self._open(self.table_file(table))

    def _open(self, path: Path) -> BufferedReader:
        file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            file.close()
            raise OSError(f"{path} is not a regular file")
        return file


def private(path: str, flags: int) -> int:
    """Open a file that only its owner can read, as an `opener`."""
    return os.open(path, flags, 0o600)


def _checked(manifest: Any) -> Manifest:
    """Return the manifest if its names and types are valid, else raise `ValueError`, `KeyError` or `TypeError`."""
    if manifest["revision"] not in schema.revisions():
        raise ValueError(f"this release does not know the schema revision {manifest['revision']!r}")
    if unknown := set(manifest["tables"]) - set(dump.table_names()):
        raise ValueError(f"this release does not know the table {min(unknown)!r}")
    for name, table in manifest["tables"].items():
        if not (isinstance(table["columns"], list) and isinstance(table["sha256"], str)):
            raise TypeError(f"the entry of {name} has values of other types")
        if unknown := set(table["columns"]) - set(dump.columns(name)):
            raise ValueError(f"the table {name} has no column {min(unknown)!r}")
        if type(table["rows"]) is not int:
            raise TypeError(f"the number of rows of {name} is not a number")
    if not isinstance(manifest["damaged"], dict) or type(manifest["artifacts"]) is not int:
        raise TypeError("the list of artifacts has another type")
    return dict(manifest)


@dataclass
class CopyResult:
    """The number of copied files, and the damaged files with the row that refers to each."""

    copied: int = 0
    damaged: dict[str, str] = field(default_factory=dict)  # owner by key


def copy_artifacts(references: Iterator[Reference], source: Artifacts, target: Artifacts) -> CopyResult:
    """Copy the artifacts that match their SHA-256; report the others on standard error."""

    def copy(reference: Reference) -> str:
        """Copy a file; return a description of its damage, or an empty string."""
        if reference.artifact.size > MAX_BYTES:
            return f"Its row declares {reference.artifact.size:,} bytes, and no artifact has more than {MAX_BYTES:,}."
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
