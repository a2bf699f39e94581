"""The steps at which a process may die: every call from `VERBS` to the store, the artifact folders and the queue.

The steps are read from the verbs' source code, so that new calls are tested automatically.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
VERBS = {
    "api": ("shared/fitting/accepting.py", "shared/fitting/admitting.py"),
    "worker": ("worker/training.py", "worker/leasing.py"),
    "reconciler": ("worker/reconciling.py", "worker/collecting.py"),
}
EXCLUDED = {  # functions with the reason
    "admissions.recently_finished": "reads for the Retry-After of a 429",
    "admissions.open_of_keys": "reads where keys have a quota, before anything is written",
    "attempts.abandon": "only avoids waiting for the lease of a dead child to expire",
    "garbage.orphaned": "reads for a dry run",
    "queue.make_celery": "only creates an object",
    "reconciliation.due": "reads between two writes of a round, while messages wait in Redis",
    "reconciliation.retract": "only avoids waiting for a message that Redis did not take to count as lost",
}
FOLDERS = ("data", "states", "folder")  # names that the verbs use for a LocalFolder
FOLDER_FUNCTIONS = ("put", "get", "delete", "keys", "sweep")
IN_TRANSACTION = ("before", "after", "committed")
OUTSIDE = ("before", "after")
WHILE_WRITING = ("written", "renamed")  # the temporary file, before the sync of its folder


class Step(NamedTuple):
    function: str  # as module.function
    moment: str

    def __str__(self) -> str:
        return f"{self.function}~{self.moment}"


def functions(process: str) -> set[str]:
    """Return the names of all functions that the process calls."""
    return {name for source in VERBS[process] for name in _called(ast.parse((ROOT / source).read_text()))}


def steps(process: str) -> list[Step]:
    """Return all steps at which the process must die once."""
    return [Step(name, moment) for name in sorted(functions(process) - EXCLUDED.keys()) for moment in moments(name)]


def moments(name: str) -> tuple[str, ...]:
    if name == "artifacts.put":
        return (*OUTSIDE, *WHILE_WRITING)
    return OUTSIDE if name.startswith(("artifacts.", "queue.")) else IN_TRANSACTION


def _called(tree: ast.Module) -> Iterator[str]:
    stores, queue = _imported(tree, "shared.store"), _imported(tree, "shared.queue")
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        match node.func:
            case ast.Name(id=name) if name in queue and name.islower():
                yield f"queue.{name}"
            case ast.Attribute(attr="announce"):
                yield "queue.announce"
            case ast.Attribute(value=ast.Name(id=module), attr=name) if module in stores and name.islower():
                yield f"{module}.{name}"
            case ast.Attribute(value=value, attr=name) if name in FOLDER_FUNCTIONS:
                if ast.unparse(value).split(".")[-1] in FOLDERS:
                    yield f"artifacts.{name}"


def _imported(tree: ast.Module, package: str) -> set[str]:
    return {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == package
        for alias in node.names
    }
