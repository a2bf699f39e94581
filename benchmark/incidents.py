"""`python -m benchmark.incidents NAB SERIES`: push a labeled series as a stream, and compare alerts with labels.

The series is fitted on its first part. The rest is pushed to a service that this command starts, shifted by whole weeks
so that it ends now. An alert is a hit if it lasted at a time of a labeled window, otherwise it is false.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmark.accuracy.labeled import LabeledSeries, read
from benchmark.accuracy.measures import events
from benchmark.stack import Stack, body_of, running_stack
from shared.domain.series import WEEK_S

POINTS_PER_PUSH = 48
KEEP_DAYS = "3650"


def main() -> int:
    """Print a line for each labeled window and each false alert; return 1 unless every window has an alert."""
    parser = argparse.ArgumentParser(prog="python -m benchmark.incidents", description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of NAB")
    parser.add_argument("series", nargs="?", default="realKnownCause/nyc_taxi", help="part and name of a series")
    parser.add_argument("--first", type=float, default=0.4, help="share of the series to learn from (default 0.4)")
    parser.add_argument("--detector", default="auto")
    options = parser.parse_args()
    labeled = read(options.folder / "data" / f"{options.series}.csv")
    os.environ["KEEP_POINTS_DAYS"] = KEEP_DAYS
    with running_stack() as stack, stack.worker():
        weeks = int(time.time() - labeled.series.timestamps[-1]) // WEEK_S
        alerts = pushed(stack, labeled, int(options.first * len(labeled.labels)), options.detector, weeks * WEEK_S)
    lines, is_complete = compared(labeled, alerts, int(options.first * len(labeled.labels)))
    print("\n".join(lines))
    return 0 if is_complete else 1


def pushed(stack: Stack, labeled: LabeledSeries, first: int, detector: str, shift_s: int) -> list[dict[str, Any]]:
    """Fit the first points, push the others in order, and return all alerts with their original times."""
    times, values = (labeled.series.timestamps + shift_s).tolist(), labeled.series.values.tolist()
    stack.fit("incidents", body_of(times[:first], values[:first])[:-1] + f', "detector": "{detector}"}}'.encode())
    stack.client.put("/watches/incidents", json={"prefix": "incidents"}).raise_for_status()
    for start in range(first, len(times), POINTS_PER_PUSH):
        part = slice(start, start + POINTS_PER_PUSH)
        content = body_of(times[part], values[part])
        stack.client.post("/series/incidents/points", content=content).raise_for_status()
    alerts: list[dict[str, Any]] = stack.client.get("/alerts?limit=200").json()["alerts"]
    for alert in alerts:
        for name in ("began_at", "opened_at", "last_anomaly_at"):
            alert[name] -= shift_s
    return sorted(alerts, key=lambda alert: alert["began_at"])


def compared(labeled: LabeledSeries, alerts: Sequence[Mapping[str, Any]], first: int) -> tuple[list[str], bool]:
    """Return a line for each labeled window after the first points and for each false alert; whether all have one."""
    lines, false = [], list(alerts)
    is_complete = True
    for start, end in _windows(labeled, first):
        hits = [alert for alert in alerts if alert["began_at"] <= end and alert["last_anomaly_at"] >= start]
        false = [alert for alert in false if alert not in hits]
        is_complete &= bool(hits)
        opened = "; ".join(f"opened {_time(alert['opened_at'])}, score {alert['peak']['score']:.2f}" for alert in hits)
        lines.append(f"window {_time(start)} to {_time(end)}: {opened or 'no alert'}")
    lines += [f"false alert: opened {_time(alert['opened_at'])}: {alert['sentence']}" for alert in false]
    days = (labeled.series.timestamps[-1] - labeled.series.timestamps[first]) / 86_400
    lines.append(f"{len(alerts)} alerts in {days:.0f} days, {len(false)} false: {7 * len(false) / days:.2f} a week")
    return lines, is_complete


def _windows(labeled: LabeledSeries, first: int) -> Iterator[tuple[int, int]]:
    starts, ends = events(labeled.labels)
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        if end >= first:
            yield int(labeled.series.timestamps[start]), int(labeled.series.timestamps[end])


def _time(timestamp: float) -> str:
    return f"{datetime.fromtimestamp(timestamp, UTC):%Y-%m-%d %H:%M}"


if __name__ == "__main__":
    sys.exit(main())
