"""Short complete runs of `run chaos`, which passes for the unchanged product: each removed safeguard makes it fail."""

import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
# Each run lacks several safeguards that do not hide each other, because starting a stack takes most of the time.
RUNS = {
    "unique": (
        "--jobs=15",
        "--fault=stop_worker",
        "--pushers=1",
        "--sabotage=unique",
        "--sabotage=delivered",
        "--sabotage=ended",
    ),
    "reconciler": ("--jobs=15", "--fault=kill_worker", "--sabotage=reconciler"),
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
        yield {name: pool.submit(chaos, tmp_path_factory.mktemp(name), *arguments) for name, arguments in RUNS.items()}


@pytest.mark.parametrize(
    ("run", "violation"),
    [
        ("unique", r"VIOLATION \((fenced|cancelled)\)"),
        ("unique", r"VIOLATION \(duplicated\)"),
        ("unique", r"VIOLATION \(unreported\).* counts as delivered, but did not arrive"),
        ("unique", r"VIOLATION \(state\).* The Alertmanager shows"),
        ("reconciler", r"VIOLATION \(lost\)"),
    ],
)
def test_a_run_without_a_safeguard_fails(outcomes: Outcomes, run: str, violation: str) -> None:
    code, output = outcomes[run].result()
    assert code == 1, output
    assert re.search(violation, output), output
