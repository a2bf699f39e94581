import json
from pathlib import Path

from benchmark.accuracy.results import Results, Section


def sections(columns: tuple[str, ...] = ("vus_pr", "speed")) -> dict[str, Section]:
    return {"series": Section(("series", "refit"), columns)}


def test_a_run_replaces_the_figures_it_measures_and_keeps_the_others(tmp_path: Path) -> None:
    file = tmp_path / "accuracy.json"
    first = Results(sections())
    first.sections["series"].put(("b", 0), "baseline causal", [0.123456, 1.0])
    first.sections["series"].put(("a", 0), "baseline causal", [0.5, None])
    first.write(file)
    second = Results.read(sections(), file)
    second.sections["series"].put(("b", 0), "msnn causal", [0.7, 2.0])
    second.sections["series"].put(("a", 0), "baseline causal", [0.6, 1.0])
    second.write(file)
    rows = Results.read(sections(), file).sections["series"].rows
    assert rows["b", 0] == {"baseline causal": [0.1235, 1.0], "msnn causal": [0.7, 2.0]}
    assert rows["a", 0] == {"baseline causal": [0.6, 1.0]}


def test_each_row_is_one_line_in_sorted_order(tmp_path: Path) -> None:
    file = tmp_path / "accuracy.json"
    results = Results(sections())
    for name in ("b", "c", "a"):
        results.sections["series"].put((name, 0), "baseline causal", [1.0, 2.0])
    results.write(file)
    lines = [line for line in file.read_text().splitlines() if line.startswith('{"of"')]
    assert [json.loads(line.rstrip(","))["of"] for line in lines] == [["a", 0], ["b", 0], ["c", 0]]


def test_figures_with_other_columns_are_dropped(tmp_path: Path) -> None:
    file = tmp_path / "accuracy.json"
    results = Results(sections())
    results.sections["series"].put(("a", 0), "baseline causal", [1.0, 2.0])
    results.write(file)
    assert Results.read(sections(("auc_pr",)), file).sections["series"].rows == {}
