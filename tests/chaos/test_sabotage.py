"""The whole of it, short: it passes with the product as it is, and notices each safeguard that is taken out of it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]


def chaos(logs: Path, *arguments: str) -> tuple[int, str]:
    """Run it as a person does, but shorter."""
    command = [sys.executable, "-m", "tests.chaos", "--quick", f"--logs={logs}", *arguments]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False, timeout=120)
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_the_product_as_it_is_passes(tmp_path: Path) -> None:
    code, said = chaos(tmp_path, "--jobs=30", "--fault=kill_worker_child", "--fault=flushall", "--fault=kill_api")
    assert (code, said.count("\nPASSED\n")) == (0, 1), said
    assert re.search(r"jobs accepted 3\d", said)
    assert "lost 0, doubled 0, other violations 0" in said


@pytest.mark.parametrize(
    ("sabotage", "fault", "violation"),
    [
        ("fencing", "stop_worker", "VIOLATION (fenced)"),
        ("unique", "stop_worker", "VIOLATION (doubled)"),
        ("reconciler", "kill_worker_child", "VIOLATION (lost)"),
    ],
)
def test_a_safeguard_that_is_taken_out_is_missed(tmp_path: Path, sabotage: str, fault: str, violation: str) -> None:
    code, said = chaos(tmp_path, "--jobs=20", f"--sabotage={sabotage}", f"--fault={fault}", f"--fault={fault}")
    assert code == 1, said
    assert violation in said
