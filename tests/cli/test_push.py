"""`tsad push`: points of files and of standard input are stored and judged."""

import io
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from api.cli.incoming import Incoming
from tests.cli.commands import Tsad
from tests.points import ramp

NOW = int(time.time()) // 60 * 60
Fitted = Callable[..., str]


def csv(values: list[object], ago: int = 0) -> str:
    """Lines of points a minute apart; the last is `ago` minutes old."""
    times = [NOW - 60 * (ago + place) for place in range(len(values))][::-1]
    return "".join(f"{time},{value}\n" for time, value in zip(times, values, strict=True))


def test_points_of_a_file_are_judged_and_a_repetition_changes_nothing(
    tsad: Tsad, fitted: Fitted, series_id: str, tmp_path: Path
) -> None:
    fitted(series_id)
    file = tmp_path / "points.csv"
    file.write_text(f"time,value\n{csv([2, 3, 50, 2])}{NOW + 7_200},2\n")
    pushed = tsad("push", series_id, str(file), "--fail-on-anomaly")
    assert pushed.code == 5, pushed.err
    assert pushed.out.count("anomaly, score") == 1
    assert f"{series_id}: 5 points: 4 stored, 1 refused.\n1 anomaly in 4 judged points.\n" in pushed.err
    assert "was refused (too_new): its time or value must not be later than the clock" in pushed.err
    again = tsad("push", series_id, str(file), "--json")
    assert again.code == 1
    (document,) = again.answers
    counts = ("accepted", "repeated", "refused", "judged", "anomalies", "unjudged", "status")
    assert [document[name] for name in counts] == [0, 4, 1, 4, 1, 0, "watching"]
    assert [error["code"] for error in document["errors"]] == ["too_new"]


def test_lines_are_stored_as_they_come_and_invalid_ones_are_reported(
    tsad: Tsad, api: httpx.Client, series_id: str
) -> None:
    lines = f'time,value\n\n{csv([1, 2], ago=5)}{{"timestamp": {NOW - 60}, "value": null}}\n5 apples\n3.5'
    pushed = tsad("push", series_id, "-", stdin=lines)
    assert pushed.code == 1
    assert "Line 6 was skipped: '5 apples' is not a valid point" in pushed.err
    assert f"{series_id}: 4 points: 4 stored, 0 refused; 1 line skipped." in pushed.err
    assert "Not judged: 4 points: 4 because no version exists yet (no version and no watch" in pushed.err
    assert "The stream is learning: " in pushed.err
    stored = api.get(f"/series/{series_id}/points").json()
    assert stored["values"] == [1, 2, None, 3.5]
    assert stored["timestamps"][-1] >= NOW
    assert tsad("push", series_id, "-", stdin="4\n").code == 6, "a point without a verdict has its own exit code"


def test_a_point_without_a_verdict_is_never_called_normal(tsad: Tsad, fitted: Fitted, series_id: str) -> None:
    fitted(series_id, ramp(300, detector="msnn"))
    tsad("push", series_id, "-", stdin=csv([5], ago=3))
    late = tsad("push", series_id, "-", "--all", "--json", stdin=csv([5], ago=9) + csv([6, ""]))
    assert late.code == 6
    (document,) = late.answers
    assert [document[name] for name in ("accepted", "late", "judged", "unjudged")] == [3, 1, 0, 3]
    assert "Not judged: 3 points: " in late.err
    assert "1 older than points that came before" in late.err
    assert "anomal" not in late.err


def test_options_about_files_do_not_work_for_lines(tsad: Tsad, series_id: str) -> None:
    refused = tsad("push", series_id, "-", "--skip-rows", "3", stdin="1\n")
    assert refused.code == 2
    assert "--skip-rows is about files" in refused.err


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.TextIOWrapper]:
    """The end of a pipe whose other end is standard input."""
    reading, writing = os.pipe()
    with os.fdopen(reading) as stdin, os.fdopen(writing, "w") as end:
        monkeypatch.setattr("sys.stdin", stdin)
        yield end


def test_a_line_is_a_batch_before_the_next_one_arrives(pipe: io.TextIOWrapper) -> None:
    incoming = Incoming()
    batches = incoming.batches(2, 0.01)
    for written, expected in (("1\n2", ["1"]), ("3\n", ["23"]), ("4\n5\n6\n", ["4", "5"]), ("", ["6"])):
        pipe.write(written)
        pipe.flush()
        assert [line.text for line in next(batches)] == expected
    assert [line.number for line in incoming.pending] == [5], "a batch is pending until the next one is asked for"
    pipe.write("7")
    pipe.close()
    assert [[(line.number, line.text) for line in batch] for batch in batches] == [[(6, "7")]]
    assert incoming.pending == []
