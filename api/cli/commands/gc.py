"""`tsad gc`: an immediate run of the collector."""

import subprocess
import sys
from typing import Annotated

import typer

from api.cli.installation import environment, installation
from api.cli.options import AsJson, OfHome
from api.cli.output import note, show_json
from shared.errors import Code, UnavailableError


def gc(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List what has no owner, and change nothing.")] = False,
    home: OfHome = None,
    as_json: AsJson = False,
) -> None:
    """Delete artifacts that no row has referred to for GARBAGE_GRACE_S; the reconciler does so every COLLECT_S.

    What is found without an owner for the first time is noted, and deleted once the grace is over.
    """
    # A separate process, because only the collector, a part of the worker, deletes files.
    command = [sys.executable, "-m", "worker.collecting", *(["--dry-run"] if dry_run else [])]
    with installation(home) as settings:
        process = subprocess.run(command, env=environment(settings), capture_output=True, text=True, check=False)
    if process.returncode != 0:
        raise UnavailableError(Code.START_FAILED, process.stderr.strip() or "The collector could not be started.")
    lines = process.stdout.splitlines()
    if dry_run:
        for name in lines:
            show_json({"key": name}) if as_json else print(name)
        note(f"{len(lines):,} artifacts have no owner now.")
    elif as_json:
        show_json({"deleted": int(lines[-1].split()[0])})
    else:
        print(lines[-1])
