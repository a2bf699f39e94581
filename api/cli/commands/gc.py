"""`tsad gc`: run the garbage collector now."""

import json
import subprocess
import sys
from typing import Annotated

import typer

from api.cli.installation import environment, installation
from api.cli.options import AsJson, HomeFolder
from api.cli.output import note, show_json
from shared.errors import Code, UnavailableError
from shared.wording import counted


def gc(
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List orphaned artifacts without changing anything.")
    ] = False,
    home: HomeFolder = None,
    as_json: AsJson = False,
) -> None:
    """Delete orphans: artifacts that no row has referred to for GARBAGE_GRACE_S.

    The reconciler does so every COLLECT_S.
    The first run that finds an orphan only records it; a run after the grace period deletes it.
    """
    # A separate process, because only the collector deletes files, and it is part of the worker. -P keeps Python from
    # importing files of the current folder.
    command = [sys.executable, "-P", "-m", "worker.collecting", *(["--dry-run"] if dry_run else [])]
    with installation(home) as settings:
        process = subprocess.run(command, env=environment(settings), capture_output=True, text=True, check=False)
    if process.returncode != 0:
        raise UnavailableError(Code.START_FAILED, process.stderr.strip() or "The collector could not be started.")
    results = [json.loads(line) for line in process.stdout.splitlines()]
    for result in results:
        if as_json:
            show_json(result)
        else:
            print(result["key"] if dry_run else f"{counted(result['deleted'], 'artifact')} deleted")
    if dry_run:
        note(f"{counted(len(results), 'orphaned artifact')}.")
