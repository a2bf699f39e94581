"""Files of points in a folder, and the ids of their series."""

import glob
import os
import re
from pathlib import Path

from api.files.table import invalid
from shared.errors import InputError

MAX_ID = 128  # characters
SUFFIXES = (".csv", ".tsv", ".txt", ".ndjson", ".jsonl", ".json", ".parquet")
_SUFFIX = re.compile(rf"({'|'.join(map(re.escape, SUFFIXES))})(\.(gz|bz2|xz))?$", re.IGNORECASE)


def point_files(source: str, *, recursive: bool) -> list[Path]:
    """List a folder's files with one of `SUFFIXES`, or a pattern's files, by name; raise `InputError` if none.

    `recursive` includes the files of all folders below.
    """
    folder = Path(source)
    if folder.is_dir():
        files = [file for file in _files_in(folder, recursive=recursive) if suffix_of(file)]
    else:
        files = [Path(name) for name in glob.glob(source, recursive=True) if Path(name).is_file()]  # noqa: PTH207 - a pattern may be absolute
    if not files:
        advice = "" if recursive or not folder.is_dir() else " --recursive includes the folders below."
        raise invalid(
            f"No files in {source}. A folder needs files ending in {', '.join(SUFFIXES)}, optionally compressed with "
            f".gz, .bz2 or .xz.{advice}"
        )
    return sorted(files)


def _files_in(folder: Path, *, recursive: bool) -> list[Path]:
    def fail(error: OSError) -> None:
        raise invalid(f"{error.filename} cannot be read: {error.strerror}.")

    found: list[Path] = []
    for place, folders, files in os.walk(folder, onerror=fail):
        found += [Path(place) / name for name in files]
        if not recursive:
            folders.clear()
    return found


def suffix_of(file: Path) -> str:
    """Return the suffix that is in `SUFFIXES`, with the one of the compression; an empty string for any other file."""
    match = _SUFFIX.search(file.name)
    return match[0] if match else ""


def series_name(file: Path, source: str) -> str:
    """Return the name of a file's series: its path below the folder without suffix, with dashes between folders."""
    folder = Path(source)
    below = file.relative_to(folder) if folder.is_dir() else Path(file.name)
    return "-".join(below.parts).removesuffix(suffix_of(file))


def id_from(name: str) -> str:
    """Return an id for the series of a file or label with this name; an empty string if nothing of it can be one."""
    try:
        return series_name_of_label(name.removesuffix(suffix_of(Path(name))))[:MAX_ID]
    except InputError:
        return ""


def series_name_of_label(label: str) -> str:
    """Return the name of a series from its label in a column, with dashes for everything that an id cannot have.

    Raises `InputError` if nothing is left.
    """
    name = re.sub(r"\.\.+", ".", re.sub(r"[^A-Za-z0-9._-]+", "-", label)).strip("-.")
    if not name:
        raise invalid(f"The series {label!r} has no letter or digit for an id.")
    return name
