"""The API against its own OpenAPI document, by Schemathesis: all checks, and sequences of requests that lead on."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.fuzz.report import Row

ROOT = Path(__file__).resolve().parents[2]
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
WITHIN_S = 60  # sequences go on until it is spent


def measure(address: str, token: str, seed: int, examples: int) -> Iterator[Row]:
    """One row: what Schemathesis found, as it words it. Its own summary goes to standard error."""
    with tempfile.TemporaryDirectory(prefix="tsad-fuzz-") as folder:
        report = Path(folder, "report.json")
        code = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", f"--config-file={CONFIGURATION}", "--no-color"),
                *("run", f"{address}/openapi.json", "--checks=all", f"--seed={seed}", f"--max-examples={examples}"),
                *(
                    f"--max-time={WITHIN_S}",
                    "--continue-on-failure",
                    "--no-shrink",
                    f"--header=Authorization: Bearer {token}",
                ),
                *(
                    "--request-timeout=40",
                    "--suppress-health-check=all",
                    "--warnings=off",
                    f"--report-json-path={report}",
                ),
            ],
            cwd=ROOT,
            env={**os.environ, "SCHEMATHESIS_HOOKS": "tests.fuzz.expected", "PYTHONPATH": str(ROOT)},
            stdout=sys.stderr,
            check=False,
        ).returncode
    yield Row("by schema", 0, [f"exit code {code}"] if code else [], "")
