import json
from pathlib import Path

from benchmark import report
from benchmark.comparing import AT_MOST, Figure, Target, single


def figure(work: str, value: float) -> Figure:
    return single(work, "ms", [value], Target(AT_MOST, 5), rate=3)


def stored(folder: Path) -> dict[str, float]:
    return {row["work"]: row["median"] for row in json.loads((folder / "bench.json").read_text())["figures"]}


def test_a_part_replaces_its_own_figures_and_a_whole_run_replaces_all(tmp_path: Path) -> None:
    report.write([figure("a", 1), figure("b", 2)], tmp_path)
    page = report.write([figure("b", 3), figure("c", 4)], tmp_path, is_whole=False)
    assert stored(tmp_path) == {"a": 1, "b": 3, "c": 4}
    rows = json.loads((tmp_path / "bench.json").read_text())["figures"]
    assert ["run" in row for row in rows] == [False, True, True]
    assert Figure.of(rows[1]) == figure("b", 3)
    assert '"a"' in page.read_text()
    report.write([figure("b", 5)], tmp_path)
    assert stored(tmp_path) == {"b": 5}


def test_a_count_of_nothing_is_stored_and_not_charted(tmp_path: Path) -> None:
    faults = single("faults", "", [0], Target(AT_MOST, 0))
    page = report.write([figure("a", 1), figure("none", 0), faults], tmp_path)
    assert stored(tmp_path) == {"a": 1, "none": 0, "faults": 0}
    assert '"faults"' not in page.read_text()
