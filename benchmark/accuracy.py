"""How well each detector finds labelled events: `python3 run accuracy --data FOLDER`.

The folder holds series in the layout of TSB-AD: csv files with the columns Data and Label, or npz files with the arrays
x, y and tr. A detector learns from the training prefix that the file's name or `tr` tells, and is asked for scores of
all points; nothing else of the file is known to it.
"""

import argparse
import json
import re
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmark import measures
from shared.domain.detectors import learn, registry
from shared.domain.detectors.contract import CAUSAL
from shared.domain.detectors.standards import LONGEST_PERIOD, period_of
from shared.domain.series import Series

RESULTS = Path(__file__).parent / "results/accuracy.json"
INTERVAL_S = 60
LATER_S = 10**9  # scored points come long after the training ones: none is recognised as one of them
USUAL_BUFFER, WIDEST_BUFFER = 125, 300  # as TSB-AD chooses the widest buffer where there is no period, or a long one
MEASURES = ("vus_pr", "auc_pr", "best_f1", "false_alarm_share", "events_hit", "seconds_per_10k_points")


def main() -> int:
    """Measure every detector on every series of the folder."""
    parser = argparse.ArgumentParser(prog="python3 run accuracy", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of TSB-AD series, csv or npz")
    parser.add_argument("--processes", type=int, default=2)
    chosen = parser.parse_args()
    files = sorted((*chosen.data.glob("*.npz"), *chosen.data.glob("*.csv")))
    if not files:
        print(f"There are no csv or npz files in {chosen.data}.", file=sys.stderr)
        return 1
    rows: list[dict[str, Any]] = []
    with ProcessPoolExecutor(chosen.processes) as pool:
        for detector in registry():
            for measured in pool.map(partial(measure, detector), files):
                rows += measured
            print("\n".join(summary([row for row in rows if row["detector"] == detector])), flush=True)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(rows, indent=1))
    return 0


def measure(name: str, file: Path) -> list[dict[str, Any]]:
    """One row for each mode of the detector."""
    values, labels, prefix = read(file)
    detector = registry()[name]
    timestamps = INTERVAL_S * np.arange(len(values))
    training = Series(timestamps[:prefix], values[:prefix])
    if prefix < detector.min_points or np.ptp(training.values) == 0:
        return []
    state = learn(detector, training, {}, lambda _share: None).state
    buffer = widest_buffer(values)
    rows = []
    for mode in (CAUSAL, *detector.modes):
        began = time.perf_counter()
        if mode == CAUSAL:
            scores = detector.score(state, values, timestamps + LATER_S, np.empty(0)).score
        else:
            scores = detector.modes[mode](state, values, timestamps + LATER_S).score
        seconds = time.perf_counter() - began
        precision, f1 = measures.auc_pr(labels, scores)
        rows.append(
            {
                "file": file.name,
                "set": part_of(file),
                "detector": name,
                "mode": mode,
                "vus_pr": measures.vus_pr(labels, scores, buffer),
                "auc_pr": precision,
                "best_f1": f1,
                "false_alarm_share": float((scores[~labels] > 1).mean()),
                "events_hit": events_hit(labels, scores),
                "seconds_per_10k_points": seconds / len(values) * 1e4,
            }
        )
    return rows


def events_hit(labels: measures.Labels, scores: measures.Scores) -> float:
    """Share of the events with an alarm inside."""
    spans = zip(*measures.events(labels), strict=True)
    return float(np.mean([scores[first : last + 1].max() > 1 for first, last in spans]))


def read(file: Path) -> tuple[measures.Scores, measures.Labels, int]:
    """Values, labels and the length of the training prefix."""
    if file.suffix == ".npz":
        with np.load(file, allow_pickle=False) as content:
            return content["x"].astype(np.float64), content["y"] > 0, int(content["tr"])
    table = np.loadtxt(file, delimiter=",", skiprows=1)
    found = re.search(r"_tr_(\d+)_", file.name)
    return table[:, 0], table[:, -1] > 0, int(found.group(1)) if found else len(table) // 4


def part_of(file: Path) -> str:
    """The data set that a file of TSB-AD belongs to: 001_NAB_id_1_… is of NAB."""
    parts = file.stem.split("_")
    return parts[1] if len(parts) > 1 else file.stem


def widest_buffer(values: measures.Scores) -> int:
    """The period, as TSB-AD finds it in the first 20,000 points."""
    period = period_of(values[:20_000])
    return period if 6 <= period <= min(WIDEST_BUFFER + 3, LONGEST_PERIOD) else USUAL_BUFFER


def summary(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Means over the files, one line for each mode, and VUS-PR by data set."""
    modes: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        modes[row["mode"]].append(row)
    for mode, of_mode in modes.items():
        told = [f"{name} {np.mean([row[name] for row in of_mode]):.4f}" for name in MEASURES]
        parts: dict[str, list[float]] = defaultdict(list)
        for row in of_mode:
            parts[row["set"]].append(row["vus_pr"])
        sets = ", ".join(f"{name} {np.mean(found):.3f} ({len(found)})" for name, found in sorted(parts.items()))
        yield f"{of_mode[0]['detector']} {mode}: {', '.join(told)} | VUS-PR of {sets}"


if __name__ == "__main__":
    sys.exit(main())
