"""The steps at which a process may die: every function of the store, the folder and the queue that the verbs call.

Found by reading the verbs' own code, so that a new one is tried without anybody remembering to.
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
UNTRIED = {  # and why
    "admissions.finished_lately": "read for the Retry-After of a 429",
    "admissions.open_of_keys": "read where keys have a quota, before anything is written",
    "attempts.abandon": "spares the wait for a lease when a child died; without it the lease runs out",
    "garbage.ownerless": "read by the dry run of a command",
    "queue.make_celery": "makes an object",
}
FOLDERS = ("data", "states", "folder")  # what the verbs call a LocalFolder
FOLDER_FUNCTIONS = ("put", "get", "delete", "keys", "sweep")
IN_TRANSACTION = ("before", "after", "committed")
OUTSIDE = ("before", "after")
WHILE_WRITING = ("written", "renamed")  # the temporary file, and before its folder is synced


class Step(NamedTuple):
    function: str  # as module.function
    moment: str

    def __str__(self) -> str:
        return f"{self.function}~{self.moment}"


def functions(process: str) -> set[str]:
    """All that the process calls, by name."""
    return {name for source in VERBS[process] for name in _called(ast.parse((ROOT / source).read_text()))}


def steps(process: str) -> list[Step]:
    """All of the moments at which it is to die."""
    return [Step(name, moment) for name in sorted(functions(process) - UNTRIED.keys()) for moment in moments(name)]


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
