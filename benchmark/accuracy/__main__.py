"""Accuracy and cost of each detector: `python3 run accuracy --data FOLDER…`, `--alarms`, `--cost`.

A folder contains series of TSB-AD (csv or npz), or is the NAB folder. A detector learns from the training prefix and
scores all points; it sees nothing else in the file. With `--refit` it refits as the series continues. Results replace
those of the same detector, folder and refits in benchmark/results/accuracy.json.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import partial
from pathlib import Path

from benchmark.accuracy import alarm_rates, charts, costs, finding, labeled, nab, summary
from benchmark.accuracy.judging import Refits
from benchmark.accuracy.results import Results, Section
from shared.domain.detectors import registry

USUAL_REFIT = 250
SILENCES = (0, 200)
SIZES = (10_000, 100_000, 1_000_000)


def sections() -> dict[str, Section]:
    """Return the sections of the results file."""
    return {
        "summary": Section(("corpus", "part", "refit", "detector", "mode"), (*finding.FIGURES, "series")),
        "nab": Section(("refit", "detector", "silence"), tuple(nab.PROFILES)),
        "alarms": Section(("corpus", "refit", "detector", "rate"), alarm_rates.FIGURES),
        "cost": Section(("detector", "points"), costs.FIGURES),
        "series": Section(("corpus", "part", "series", "refit"), finding.FIGURES),
    }


def main() -> int:
    """Run, print and store the requested measurements; return 1 if there are no series to measure."""
    options = arguments()
    files = [file for folder in options.data for file in labeled.files_of(folder)]
    if not files and not options.cost:
        print(
            "No series found. Name folders with TSB-AD series (csv or npz), or the NAB folder: --data FOLDER…",
            file=sys.stderr,
        )
        return 1
    results = Results.read(sections())
    with ProcessPoolExecutor(options.jobs) as pool:
        for name in options.only or registry():
            if options.cost:
                lines = measure_costs(results, name)
            elif options.alarms:
                lines = measure_alarms(results, pool, name, Refits(options.refit or USUAL_REFIT), files)
            else:
                lines = measure_finding(results, pool, name, Refits(options.refit), files)
            for line in lines:
                print(line, flush=True)
            results.write()
    print(f"Charts: {charts.write(results)}")
    return 0


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python3 run accuracy", description=__doc__)
    parser.add_argument("--data", type=Path, nargs="+", default=[], help="folders of TSB-AD series, or the NAB folder")
    parser.add_argument("--only", nargs="+", choices=sorted(registry()), help="detectors to measure; default: all")
    parser.add_argument(
        "--refit", type=int, default=0, help="refit after this many new points, or 5 %% more history if that is more"
    )
    parser.add_argument(
        "--alarms", action="store_true", help="false alarms as a multiple of the alarm rate, with refits"
    )
    parser.add_argument("--cost", action="store_true", help="time, memory and size of state, on generated series")
    parser.add_argument("--jobs", type=int, default=2, help="number of processes")
    return parser.parse_args()


def measure_finding(
    results: Results, pool: Executor, name: str, refits: Refits, files: Sequence[Path]
) -> Iterator[str]:
    """Measure every series in every mode, the means by part and corpus, and the NAB score; yield lines to print."""
    measurements = list(pool.map(partial(finding.measure, name, refits), files))
    for measurement in measurements:
        for mode, figures in measurement.figures.items():
            key = (measurement.corpus, measurement.part, measurement.series, refits.points)
            results.sections["series"].put(key, f"{name} {mode}", figures)
    for (corpus, part, mode), means in summary.means(measurements).items():
        results.sections["summary"].put((corpus, part, refits.points, name, mode), "mean", means)
        yield summary.line(f"{name} {mode}, {corpus} {part}", (*finding.FIGURES, "series"), means)
    streams = [measurement.stream for measurement in measurements if measurement.stream is not None]
    for silence in SILENCES if streams else ():
        scores = nab.nab(streams, silence)
        results.sections["nab"].put((refits.points, name, silence), "score", list(scores.values()))
        yield summary.line(f"{name} NAB score, silence {silence}", tuple(scores), list(scores.values()))


def measure_alarms(results: Results, pool: Executor, name: str, refits: Refits, files: Sequence[Path]) -> Iterator[str]:
    """Measure the share of false alarms at each rate, over all folders; yield lines to print."""
    corpus = " + ".join(sorted({labeled.corpus_of(file) for file in files}))
    for rate in alarm_rates.RATES:
        ratios = list(pool.map(partial(alarm_rates.rate_ratio, name, rate, refits), files))
        figures = alarm_rates.rates_figures(ratios)
        results.sections["alarms"].put((corpus, refits.points, name, rate), "ratio", figures)
        yield summary.line(f"{name} {rate}", alarm_rates.FIGURES, figures)


def measure_costs(results: Results, name: str) -> Iterator[str]:
    """Measure the costs for each of `SIZES`; yield lines to print."""
    for points in SIZES:
        figures = costs.costs(name, points)
        results.sections["cost"].put((name, points), "cost", figures)
        yield summary.line(f"{name}, {points:,} points", costs.FIGURES, figures)


if __name__ == "__main__":
    sys.exit(main())
