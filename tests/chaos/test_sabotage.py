"""Short complete runs: the unchanged product passes, and each removed safeguard makes the run fail."""

import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
RUNS = {
    "nothing": ("--jobs=20", "--fault=kill_worker_child", "--fault=flushall", "--fault=kill_api"),
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
            name: pool.submit(
                chaos,
                tmp_path_factory.mktemp(name),
                *arguments,
                *([] if name == "nothing" else [f"--sabotage={name}"]),
            )
            for name, arguments in RUNS.items()
        }


def test_the_unchanged_product_passes(outcomes: Outcomes) -> None:
    code, output = outcomes["nothing"].result()
    assert (code, output.count("\nPASSED\n")) == (0, 1), output
    assert re.search(r"jobs accepted 2\d", output)
    assert "lost 0, duplicated 0, other violations 0" in output


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
