"""The API against its own OpenAPI document, by Schemathesis: all checks, and sequences of requests that lead on."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.fuzz.report import Row

ROOT = Path(__file__).resolve().parents[2]
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
WITHIN_S = 75  # changed requests and sequences go on until it is spent


def measure(address: str, token: str, seed: int, examples: int) -> Iterator[Row]:
    """One row: what Schemathesis found. What it says itself goes to standard error."""
    done = subprocess.run(
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
    print(done.stdout, file=sys.stderr)  # noqa: T201
    sent = re.search(r"([\d,]+) generated", done.stdout)
    tested = re.search(r"Selected: (\d+)/(\d+)\n\s+Tested: (\d+)", done.stdout)
    wrong = [f"exit code {done.returncode}, as said above"] if done.returncode else []
    if tested is None or len(set(tested.groups())) > 1:
        wrong.append("not every operation was tested")
    operations = f"{tested[3]} of {tested[2]} operations" if tested else ""
    yield Row("by schema", int(sent[1].replace(",", "")) if sent else 0, wrong, operations)
