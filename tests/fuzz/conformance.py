"""Schemathesis compares the API with its OpenAPI document: all checks, and sequences of linked requests."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.fuzz.report import Row

ROOT = Path(__file__).resolve().parents[2]
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
WITHIN_S = 75  # for mutated requests and sequences


def measure(address: str, token: str, seed: int, examples: int) -> Iterator[Row]:
    """One row with the findings of Schemathesis, whose own output goes to standard error."""
    process = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", f"--config-file={CONFIGURATION}", "--no-color"),
            *("run", f"{address}/openapi.json", "--checks=all", f"--header=Authorization: Bearer {token}"),
            *(f"--seed={seed}", f"--max-examples={examples}", f"--max-time={WITHIN_S}", "--continue-on-failure"),
            *("--no-shrink", "--request-timeout=40", "--suppress-health-check=all", "--warnings=off"),
        ],
        cwd=ROOT,
        env={**os.environ, "SCHEMATHESIS_HOOKS": "tests.fuzz.expected", "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    print(process.stdout, file=sys.stderr)  # noqa: T201
    sent = re.search(r"([\d,]+) generated", process.stdout)
    tested = re.search(r"Selected: (\d+)/(\d+)\n\s+Tested: (\d+)", process.stdout)
    wrong = [f"exit code {process.returncode}, see the output above"] if process.returncode else []
    if tested is None or len(set(tested.groups())) > 1:
        wrong.append("not every operation was tested")
    operations = f"{tested[3]} of {tested[2]} operations" if tested else ""
    yield Row("by schema", int(sent[1].replace(",", "")) if sent else 0, wrong, operations)
