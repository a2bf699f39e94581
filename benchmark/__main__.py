"""`python3 run bench`: compare the service with its bare framework, in one run on one machine."""

import argparse
import signal
import sys
from collections.abc import Callable, Iterator

from benchmark import report
from benchmark.comparing import Figure
from benchmark.stack import Stack, running_stack
from benchmark.work import (
    attacking,
    fitting,
    loading,
    nights,
    notifying,
    predicting,
    pushing,
    refitting,
    sending,
    sharing,
    showing,
)


def _plain(
    measure: Callable[[Stack, int, float], Iterator[Figure]],
) -> Callable[[Stack, argparse.Namespace], Iterator[Figure]]:
    return lambda stack, options: measure(stack, options.pairs, options.seconds)


WORK: dict[str, Callable[[Stack, argparse.Namespace], Iterator[Figure]]] = {
    "predicting": _plain(predicting.measure),
    "fitting": _plain(fitting.measure),
    "refitting": _plain(refitting.measure),
    "sending": _plain(sending.measure),
    "notifying": _plain(notifying.measure),
    "sharing": _plain(sharing.measure),
    "attacking": _plain(attacking.measure),
    "showing": _plain(showing.measure),
    "loading": lambda stack, options: loading.measure(stack, options.days),
    "pushing": lambda stack, options: pushing.measure(
        stack, options.pairs, options.seconds, options.stretch, options.grown
    ),
    "night": lambda stack, options: nights.measure(stack, options.refits, options.window, options.rate),
}
UNUSUAL = ("attacking", "loading", "night")  # these need a key, need Prometheus, take long


def main() -> int:
    """Measure, print the table and write the results; return 1 if a limit is missed."""
    parser = argparse.ArgumentParser(prog="python3 run bench", description=__doc__)
    usual = [name for name in WORK if name not in UNUSUAL]
    parser.add_argument(
        "--only",
        choices=WORK,
        nargs="+",
        default=usual,
        help=f"parts to measure; default: all but {', '.join(UNUSUAL)}",
    )
    parser.add_argument(
        "--pairs", type=int, default=5, help="measurements of each figure, alternating with its ceiling"
    )
    parser.add_argument("--seconds", type=float, default=2, help="length of each measurement under load")
    parser.add_argument(
        "--stretch", type=float, default=60, help="length of the steady load of pushes (default 60; the documents: 600)"
    )
    parser.add_argument(
        "--grown",
        type=int,
        default=5_000_000,
        help="stored points beside pushes (default 5 million; the documents: 100)",
    )
    parser.add_argument(
        "--days", type=float, default=3, help="history that is loaded from a Prometheus (default 3; the documents: 28)"
    )
    parser.add_argument("--refits", type=int, default=10_000, help="refits of a night (default 10,000)")
    parser.add_argument("--window", type=int, default=672, help="hourly points of each of them (default 672)")
    parser.add_argument("--rate", type=float, default=200, help="points pushed per second beside them (default 200)")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # unwinds the stack, and so ends its processes
    figures: list[Figure] = []
    with running_stack() as stack:
        for name in options.only:
            print(f"{name} …", file=sys.stderr, flush=True)
            figures += WORK[name](stack, options)
    report.show(figures)
    print(f"Report: {report.write(figures, is_whole=set(options.only) == set(WORK))}")
    return 1 if any(figure.verdict == "missed" for figure in figures) else 0


if __name__ == "__main__":
    sys.exit(main())
