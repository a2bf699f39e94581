"""`python -m tests.month --seed N [--days D]`: let a month pass within minutes, and check every promise of watching."""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

from shared.embedded import Embedded  # noqa: E402 - this and later imports load NumPy
from shared.settings import Settings  # noqa: E402
from tests.month.running import Options, run  # noqa: E402


def main() -> int:
    """Return 0 if every promise was kept, else 1."""
    parser = argparse.ArgumentParser(
        prog="python3 run month", description="Let a month pass, then check every promise."
    )
    parser.add_argument("--seed", type=int, default=1, help="seed of every random choice (default 1)")
    parser.add_argument("--days", type=float, default=30, help="length; clocks change in the middle (default 30)")
    parser.add_argument("--series", type=int, default=200, help="number of series, of ten kinds (default 200)")
    arguments = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tsad-month-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # if root starts the servers, they run as another user
        with Embedded(folder / "home", durable=False, valkey=False) as servers:
            settings = Settings(
                _env_file=None,
                database_url=servers.database_url,
                training_data_folder=folder / "data",
                model_state_folder=folder / "models",
            )
            options = Options(arguments.seed, arguments.days, arguments.series)
            report = run(options, servers.database_url, settings, _say)
    _say(report.text())
    _say(f"{time.monotonic() - began:.0f} s in total; repeat with: python3 run month {' '.join(sys.argv[1:])}")
    return 0 if report.passed else 1


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
