"""`python -m tests.chaos --seed N [--jobs N] [--store s3]`: break everything under load, then check every promise."""

import argparse
import os
import sys
import time

# One BLAS thread, as in workers: several threads sum in another order, so a fresh fit would differ in the last digit.
for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

from api.cli.supervising import one_interrupt  # noqa: E402 - this and later imports load NumPy
from shared.errors import TsadError  # noqa: E402
from tests.chaos.faults import FAULTS  # noqa: E402
from tests.chaos.plan import Options  # noqa: E402
from tests.chaos.running import keep_logs, new_home, run  # noqa: E402
from tests.chaos.sabotage import BY_NAME  # noqa: E402


def main() -> int:
    """Return 0 if every promise was kept, 1 if one was broken, 2 if the run could not be completed."""
    options = _options()
    began = time.monotonic()
    try:
        with one_interrupt() as ignore_interrupts, new_home() as home:
            report = run(options, _say, home, ignore_interrupts)
            if options.logs or not report.passed:
                keep_logs(report)
            _say(report.text())
            _say(f"{time.monotonic() - began:.0f} s in total; repeat with: python3 run chaos {' '.join(sys.argv[1:])}")
            return 0 if report.passed else 1
    except TsadError as error:
        _say(error.detail)
        return 2
    except KeyboardInterrupt:
        _say("Stopped.")
        return 130


def _options() -> Options:
    parser = argparse.ArgumentParser(
        prog="python3 run chaos", description="Break everything under load, then check every promise."
    )
    parser.add_argument("--seed", type=int, default=1, help="seed of every random choice (default 1)")
    parser.add_argument("--jobs", type=int, default=300, help="number of fits to submit (default 300)")
    parser.add_argument("--quick", action="store_true", help="short leases and gaps; recovery times mean nothing")
    parser.add_argument(
        "--pushers", type=int, help="number of clients that push points (default 3; with --quick none: fits take time)"
    )
    parser.add_argument(
        "--fault", action="append", default=[], choices=sorted(FAULTS), help="only these, in order; may be repeated"
    )
    parser.add_argument(
        "--store", default="folder", choices=["folder", "s3"], help="where to keep artifacts (default folder)"
    )
    parser.add_argument(
        "--sabotage",
        action="append",
        default=[],
        choices=sorted(BY_NAME),
        help="remove a safeguard, so that the run must fail; may be repeated",
    )
    parser.add_argument("--logs", help="folder for the logs (default: a new folder, only after a failed run)")
    arguments = parser.parse_args()
    if arguments.jobs < 10:
        parser.error("--jobs must be at least 10")
    return Options(
        arguments.seed,
        arguments.jobs,
        arguments.quick,
        tuple(arguments.fault),
        tuple(arguments.sabotage),
        arguments.logs,
        arguments.store,
        (0 if arguments.quick else 3) if arguments.pushers is None else arguments.pushers,
    )


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
