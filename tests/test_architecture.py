"""Rules for the code that no linter checks."""

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from shared import __version__

ROOT = Path(__file__).resolve().parents[1]
PRODUCT = ("api", "worker", "shared", "migrations")
MAX_LINES = 300
READ_SETTINGS = {  # the composition roots
    "api/__main__.py",
    "api/main.py",
    "api/cli/installation.py",
    "api/cli/stack.py",
    "migrations/env.py",
    "worker/__main__.py",
    "worker/outbound/__main__.py",
    "worker/collecting.py",  # a separate command
    "worker/main.py",
    "worker/reconciling.py",
}
PRINT = re.compile(r"(api/cli/.*|run|benchmark/.*|worker/collecting\.py|tests/.*)")


@cache
def tracked() -> list[Path]:
    names = subprocess.check_output(["git", "ls-files", "-z"], cwd=ROOT).decode().split("\0")
    return [ROOT / name for name in names if name.endswith(".py") and (ROOT / name).is_file()]


@cache
def trees() -> dict[str, ast.Module]:
    return {
        str(path.relative_to(ROOT)): ast.parse(path.read_text(), feature_version=(3, 11))
        for path in [*tracked(), ROOT / "run"]
    }


def product() -> dict[str, ast.Module]:
    return {name: tree for name, tree in trees().items() if name.startswith(PRODUCT)}


def calls(tree: ast.AST) -> Iterator[str]:
    """Yield the called names, as `name` or `….attribute`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                yield node.func.id
            elif isinstance(node.func, ast.Attribute):
                yield f"{ast.unparse(node.func.value)}.{node.func.attr}"


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


@pytest.fixture(scope="module", autouse=True)
def _in_a_checkout() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("needs a checkout")


def test_no_product_module_is_longer_than_the_limit() -> None:
    lengths = {name: len((ROOT / name).read_text().splitlines()) for name in product()}
    assert {name: length for name, length in lengths.items() if length > MAX_LINES} == {}


def test_only_composition_roots_read_settings() -> None:
    readers = {name for name, tree in product().items() if {"Settings.load", "Settings.of_process"} & set(calls(tree))}
    assert readers == READ_SETTINGS


def test_only_settings_and_startup_code_read_the_environment() -> None:
    outside = (
        "api/cli/",
        "api/client/",
        "api/files/apart.py",  # passes a part of it on to a process
        "shared/embedded/",
        "shared/settings.py",
        "worker/__main__.py",
        "worker/outbound/__main__.py",
    )
    assert [
        name
        for name, tree in product().items()
        if not name.startswith(outside)
        and any(
            isinstance(node, ast.Attribute) and ast.unparse(node) in ("os.environ", "os.getenv")
            for node in ast.walk(tree)
        )
    ] == []


def test_no_code_commits_outside_a_transaction_block() -> None:
    committing = {name for name, tree in product().items() if any(call.endswith(".commit") for call in calls(tree))}
    assert committing <= {"migrations/env.py"}  # settings of its own connection, before any migration


def test_no_module_passes_a_literal_advisory_lock_number() -> None:
    numbered = {name for name in product() if re.search(r"advisory\w*lock\w*\(\s*\d", (ROOT / name).read_text())}
    assert numbered == set()


def test_nothing_is_pickled_but_what_a_process_and_its_children_send_each_other() -> None:
    for name, tree in product().items():
        pickling = {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"} & set(imports(tree))
        assert not pickling or name == "api/computing/pickling.py", name
        assert not [call for call in calls(tree) if call in ("eval", "exec")], name
        for node in ast.walk(tree):
            allowed = isinstance(node, ast.keyword) and node.arg == "allow_pickle"
            assert not (allowed and ast.unparse(node.value) != "False"), name  # type: ignore[attr-defined]
    loads = {name for name, tree in product().items() if {"np.load", "numpy.load"} & set(calls(tree))}
    assert all("allow_pickle=False" in (ROOT / name).read_text() for name in loads)


def test_only_commands_and_reports_print() -> None:
    printing = {name for name, tree in trees().items() if "print" in set(calls(tree))}
    assert {name for name in printing if not PRINT.fullmatch(name)} == set()


def test_annotations_are_evaluated_on_the_oldest_python() -> None:
    """`from __future__ import annotations` would hide from FastAPI and msgspec what 3.11 cannot evaluate."""
    futures = {name for name, tree in trees().items() if "__future__" in set(imports(tree))}
    assert futures <= {"run"}  # so that `run` can report that a Python is too old


def test_one_module_defines_the_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "version" not in project
    assert project["dynamic"] == ["version"]
    named = [name for name in product() if f'"{__version__}"' in (ROOT / name).read_text()]
    assert named == ["shared/__init__.py"]


def test_no_module_has_a_catch_all_name() -> None:
    catch_all = {"utils", "util", "helpers", "helper", "common", "misc", "base", "manager", "managers", "core"}
    assert [name for name in trees() if Path(name).stem in catch_all] == []
