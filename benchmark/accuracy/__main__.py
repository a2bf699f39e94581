"""Accuracy and cost of each detector: `python3 run accuracy --data FOLDER…`, `--alarms`, `--cost`.

A folder contains series of TSB-AD (csv or npz), or is the NAB folder. A detector learns from the training prefix and
scores all points; it sees nothing else in the file. With `--refit` it refits as the series continues. Results replace
those of the same detector, folder and refits in benchmark/results/accuracy.json.

`--verdicts` counts what a person notices after one fit, `--histories` the labeled windows of NAB that the training
scores mark, and `--everyday` the anomalies found in generated everyday series. `--verdicts` and `--everyday` report two
halves: tune on one only. `--turns` measures `seasonal` with three to eight turns of its cycle.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import partial
from pathlib import Path

from benchmark.accuracy import alarm_rates, charts, costs, finding, histories, labeled, nab, summary, turns, verdicts
from benchmark.accuracy.everyday import evaluating
from benchmark.accuracy.halves import DEVELOP, REPORT
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
        "verdicts": Section(("corpus", "half", "detector"), verdicts.FIGURES),
        "endings": Section(("corpus", "half", "detector"), verdicts.ENDINGS),
        "everyday": Section(("half", "detector", "seeds"), evaluating.FIGURES),
        "turns": Section(("kind", "turns"), turns.FIGURES),
        "histories": Section(("detector",), histories.FIGURES),
        "series": Section(("corpus", "part", "series", "refit"), finding.FIGURES),
    }


def main() -> int:
    """Run, print and store the requested measurements; return 1 if there are no series to measure."""
    options = arguments()
    files = [file for folder in options.data for file in labeled.files_of(folder)]
    if not (files or options.cost or options.everyday or options.turns):
        print(
            "No series found. Name folders with TSB-AD series (csv or npz), or the NAB folder: --data FOLDER…",
            file=sys.stderr,
        )
        return 1
    results = Results.read(sections())
    with ProcessPoolExecutor(options.jobs) as pool:
        for line in measure(results, pool, options, files):
            print(line, flush=True)
            results.write()
    print(f"Charts: {charts.write(results)}")
    return 0


def measure(results: Results, pool: Executor, options: argparse.Namespace, files: Sequence[Path]) -> Iterator[str]:
    """Measure what the options ask for; yield lines to print."""
    if options.turns:
        yield from measure_turns(results, pool)
        return
    for name in options.only or registry():
        if options.cost:
            yield from measure_costs(results, name)
        elif options.everyday:
            yield from measure_everyday(results, pool, name, options.seeds)
        elif options.verdicts:
            yield from measure_verdicts(results, pool, name, options.alone, files)
        elif options.histories:
            yield from measure_histories(results, pool, name, files)
        elif options.alarms:
            yield from measure_alarms(results, pool, name, Refits(options.refit or USUAL_REFIT), files)
        else:
            yield from measure_finding(results, pool, name, Refits(options.refit), files)


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
    parser.add_argument("--verdicts", action="store_true", help="hits and false alarms after one fit, by halves")
    parser.add_argument("--alone", type=int, default=0, help="with --verdicts: also score this many points one by one")
    parser.add_argument("--histories", action="store_true", help="windows of NAB that the training scores mark")
    parser.add_argument("--everyday", action="store_true", help="generated everyday series with five anomalies each")
    parser.add_argument("--seeds", type=int, default=5, help="seeds of each everyday series")
    parser.add_argument("--turns", action="store_true", help="alarms and band of seasonal with few turns of its cycle")
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


def measure_verdicts(results: Results, pool: Executor, name: str, alone: int, files: Sequence[Path]) -> Iterator[str]:
    """Measure the verdicts after one fit, by corpus and half; yield lines to print."""
    results_of_files = pool.map(partial(verdicts.measure, name, alone), files)
    measured = [result for result in results_of_files if result is not None]
    for (corpus, half), group in verdicts.halves(measured).items():
        figures = verdicts.summary(group)
        results.sections["verdicts"].put((corpus, half, name), "verdicts", figures)
        yield summary.line(f"{name}, {corpus} {half}", verdicts.FIGURES, figures)
        endings = verdicts.endings(group)
        results.sections["endings"].put((corpus, half, name), "endings", endings)
        yield summary.line(f"{name}, {corpus} {half}", verdicts.ENDINGS, endings)


def measure_histories(results: Results, pool: Executor, name: str, files: Sequence[Path]) -> Iterator[str]:
    """Measure the training scores of whole histories; yield lines to print."""
    results_of_files = pool.map(partial(histories.measure, name), files)
    measured = [result for result in results_of_files if result is not None]
    figures = histories.summary(measured)
    results.sections["histories"].put((name,), "histories", figures)
    yield summary.line(f"{name}, whole histories", histories.FIGURES, figures)


def measure_everyday(results: Results, pool: Executor, name: str, seeds: int) -> Iterator[str]:
    """Measure what is found in everyday series, by case and by halves; yield lines to print."""
    outcomes = list(pool.map(partial(evaluating.evaluate, name, seeds=seeds), evaluating.CASES))
    for outcome in outcomes:
        yield str(outcome)
    for half in (DEVELOP, REPORT, "both"):
        figures = evaluating.summary([outcome for outcome in outcomes if half in (outcome.half, "both")])
        results.sections["everyday"].put((half, name, seeds), "everyday", figures)
        yield summary.line(f"{name}, everyday {half}", evaluating.FIGURES, figures)


def measure_turns(results: Results, pool: Executor) -> Iterator[str]:
    """Measure `seasonal` with few turns of each kind of cycle; yield lines to print."""
    cases = [(kind, count) for kind in turns.KINDS for count in turns.TURNS]
    for (kind, count), figures in zip(cases, pool.map(turns.measure, cases), strict=True):
        results.sections["turns"].put((kind.name, count), "turns", figures)
        yield summary.line(f"{kind.name}, {count} turns", turns.FIGURES, figures)


def measure_costs(results: Results, name: str) -> Iterator[str]:
    """Measure the costs for each of `SIZES`; yield lines to print."""
    for points in SIZES:
        figures = costs.costs(name, points)
        results.sections["cost"].put((name, points), "cost", figures)
        yield summary.line(f"{name}, {points:,} points", costs.FIGURES, figures)


if __name__ == "__main__":
    sys.exit(main())
