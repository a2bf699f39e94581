"""Short complete runs of `run chaos`, which passes for the unchanged product: each removed safeguard makes it fail."""

import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
RUNS = {
    "fencing": ("--jobs=15", "--fault=stop_worker"),
    "unique": ("--jobs=15", "--fault=stop_worker"),
    "reconciler": ("--jobs=15", "--fault=kill_worker"),
}
Outcomes = dict[str, "Future[tuple[int, str]]"]


def chaos(logs: Path, *arguments: str) -> tuple[int, str]:
    """Run the command as a person would, but shorter."""
    command = [sys.executable, "-m", "tests.chaos", "--quick", f"--logs={logs}", *arguments]
    process = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False, timeout=600)
    return process.returncode, process.stdout + process.stderr


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcomes]:
    """The result of each run. All runs are concurrent, because they wait more than they work."""
    with ThreadPoolExecutor(len(RUNS)) as pool:
        yield {
            name: pool.submit(chaos, tmp_path_factory.mktemp(name), *arguments, f"--sabotage={name}")
            for name, arguments in RUNS.items()
        }


@pytest.mark.parametrize(
    ("sabotage", "violation"),
    [
        ("fencing", r"VIOLATION \((fenced|cancelled)\)"),
        ("unique", r"VIOLATION \(duplicated\)"),
        ("reconciler", r"VIOLATION \(lost\)"),
    ],
)
def test_a_run_without_a_safeguard_fails(outcomes: Outcomes, sabotage: str, violation: str) -> None:
    code, output = outcomes[sabotage].result()
    assert code == 1, output
    assert re.search(violation, output), output
