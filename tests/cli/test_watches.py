"""`tsad watches`, `tsad alerts` and `tsad simulate`: from a rule to an acknowledged alert."""

import json
import math
import time
from collections.abc import Callable
from pathlib import Path

from tests.cli.commands import Tsad
from tests.cli.test_push import csv

NOW = int(time.time()) // 60 * 60


def test_a_watch_is_set_field_by_field_paused_and_deleted(tsad: Tsad, series_id: str, tmp_path: Path) -> None:
    (created,) = tsad("watches", "set", series_id, f"prefix={series_id}", "silence=10m", "--json").answers
    assert (created["prefix"], created["silence"], created["open"]["anomalies"]) == (series_id, "10m", 2)
    (changed,) = tsad("watches", "set", series_id, "open.anomalies=3", "gates.min_abs=0.5", "--json").answers
    assert changed["open"] == created["open"] | {"anomalies": 3}
    assert (changed["silence"], changed["gates"]["min_abs"]) == ("10m", 0.5)
    document = tmp_path / "watch.json"
    document.write_text(json.dumps({"prefix": series_id, "close": {"after": "1d"}}))
    (replaced,) = tsad("watches", "set", series_id, "--file", str(document), "merge_within=1h", "--json").answers
    assert (replaced["silence"], replaced["close"]["after"], replaced["merge_within"]) == ("auto", "1d", "1h")
    wrong = tsad("watches", "set", series_id, "open.anomalis=3", "silence=maybe")
    assert wrong.code == 2
    assert "open.anomalis is unknown" in wrong.err
    assert "silence must be auto, off, or a duration" in wrong.err
    assert tsad("watches", "set", series_id, "silence").code == 2
    assert "yes" in tsad("watches", "pause", series_id).out
    assert [watch["paused"] for watch in tsad("watches", "list", "--json").answers if watch["name"] == series_id] == [
        True
    ]
    assert tsad("watches", "resume", series_id, "--json").answers[0]["paused"] is False
    assert series_id in tsad("watches", "show", series_id).out
    assert tsad("watches", "delete", series_id, "--yes").code == 0
    assert tsad("watches", "show", series_id).code == 4


def test_an_alert_is_reported_listed_shown_and_acknowledged(
    tsad: Tsad, fitted: Callable[..., str], series_id: str
) -> None:
    fitted(series_id)
    tsad("watches", "set", series_id, f"prefix={series_id}")
    pushed = tsad("push", series_id, "-", stdin=csv([2, 70, 71, 72]))
    assert pushed.code == 0, pushed.err
    assert f"is open. {series_id} deviates since" in pushed.err
    alert_id = pushed.err.partition("Alert ")[2].split()[0]
    listed = tsad("alerts", "list", "--series", series_id, "--status", "open", "--from", "2020-01-01", "--json")
    assert [alert["alert_id"] for alert in listed.answers] == [alert_id]
    assert tsad("alerts", "list", "--series", series_id, "--to", "2020-01-01", "--json").answers == []
    assert f"{series_id} deviates since" in tsad("alerts", "show", alert_id).out
    assert alert_id in tsad("alerts", "list", "--watch", series_id).out
    (acknowledged,) = tsad("alerts", "ack", alert_id, "--json").answers
    assert acknowledged["acknowledged_at"] is not None
    (reviewed,) = tsad("alerts", "review", alert_id, "false_alarm", "--note", "Load test", "--json").answers
    assert (reviewed["review"], reviewed["note"]) == ("false_alarm", "Load test")
    (reviewed,) = tsad("alerts", "review", alert_id, "expected", "--json").answers
    assert (reviewed["review"], reviewed["note"]) == ("expected", "Load test")
    assert "Load test" in tsad("alerts", "show", alert_id).out
    assert alert_id in tsad("alerts", "list", "--watch", series_id, "--review", "expected").out
    assert tsad("alerts", "review", alert_id, "--clear", "--json").answers[0]["note"] == ""
    assert tsad("alerts", "show", "7").code == 4


def test_a_simulation_prints_the_alerts_of_a_rule_for_a_file_and_for_stored_points(
    tsad: Tsad, series_id: str, tmp_path: Path
) -> None:
    values = [round(10 + math.sin(place / 8) + 0.01 * (7 * place % 13), 3) for place in range(300)]
    values[250:256] = [30.0] * 6
    file = tmp_path / "points.csv"
    file.write_text(f"time,value\n{csv(list(values))}")
    rule = ("detector=robust", "window=10d", "open.anomalies=4", "open.of=5", "open.at_once=null")
    (simulated,) = tsad("simulate", series_id, *rule, "--file", str(file), "--json").answers
    assert [alert["began_at"] for alert in simulated["alerts"]] == [NOW - 60 * 49]
    told = tsad("simulate", series_id, *rule, "--file", str(file))
    assert f"{series_id} deviated from" in told.out
    assert "1 alert, 2 messages, " in told.err
    assert "Not judged: " in told.err
    part = tsad("simulate", series_id, *rule, "--file", str(file), "--to", str(NOW - 60 * 200), "--json")
    assert (part.answers[0]["points"], part.answers[0]["alerts"]) == (100, [])
    tsad("watches", "set", series_id, f"prefix={series_id}", *rule)
    tsad("push", series_id, str(file))
    stored = tsad("simulate", series_id, "--json")
    assert f"The rule is that of the watch {series_id}." in stored.err
    assert stored.answers[0]["alerts"] == simulated["alerts"]
    assert tsad("simulate", f"{series_id}-none").code == 4
