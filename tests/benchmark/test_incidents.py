"""Alerts on a labeled series are compared with its labels."""

import numpy as np

from benchmark.accuracy.labeled import LabeledSeries
from benchmark.incidents import compared
from shared.domain.series import Series


def alert(begin: int, last: int) -> dict[str, object]:
    return {"began_at": begin, "opened_at": begin, "last_anomaly_at": last, "peak": {"score": 2.0}, "sentence": "It."}


def test_alerts_are_hits_in_labeled_windows_and_false_elsewhere() -> None:
    labels = np.zeros(100, dtype=np.bool_)
    labels[[5, 6, 40, 41, 42, 80]] = True  # the first window is before the points that are pushed
    labeled = LabeledSeries("NAB", "part", "name", Series(60 * np.arange(100), np.zeros(100)), labels, 10)
    hit, false = alert(60 * 42, 60 * 50), alert(60 * 60, 60 * 61)
    lines, is_complete = compared(labeled, [hit, false], 10)
    assert not is_complete
    assert [line.partition(":")[0] for line in lines] == [
        "window 1970-01-01 00",
        "window 1970-01-01 01",
        "false alert",
        "2 alerts in 0 days, 1 false",
    ]
    assert "opened 1970-01-01 00:42, score 2.00" in lines[0]
    assert lines[1].endswith("no alert")
    assert compared(labeled, [hit, alert(60 * 70, 60 * 80)], 10)[1]
