"""Files that a page sends: read as the command line reads them, in a process with bounded memory and time."""

import asyncio
import bz2
import gzip
import inspect
import json
import re
import subprocess
from dataclasses import fields
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.cli.commands.fit import fit
from api.computing.content import Content
from api.computing.fairness import FairLane
from api.files import apart
from api.files.__main__ import answer
from api.files.apart import Task, read_apart
from api.files.choices import NOTHING_STATED, Choices, Doubled, Unit
from api.files.reading import read, read_series
from api.pages import templates
from api.routes.files import choices_of_query
from shared.errors import InputError
from shared.settings import MIB
from tests.api.files.history import EXPECTED, START
from tests.api.files.test_forms import DELIMITED, JSON

PREAMBLE = "Logger 4711\n\nZeit;Wert\n12.01.2026 13:00;21,5\n12.01.2026 14:00;1.022,4\n"
SENSORS = "sensor;time;value\nb 1;{0};1\na;{0};2\nb 1;{1};3\na;{1};4\n".format(START, START + 60)


def task(max_bytes: int = MIB) -> Task:
    return Task("boiler 7.csv.gz", NOTHING_STATED, None, max_bytes)


def sent(api: httpx.Client, content: bytes, **query: Any) -> httpx.Response:
    return api.post("/ui/files", content=content, params=query)


def test_every_form_of_file_is_read_as_the_command_line_reads_it() -> None:
    forms = {**DELIMITED, **JSON}
    assert len(forms) > 90
    for name, text in forms.items():
        (found,) = json.loads(answer(gzip.compress(text.encode()), task()))["series"]
        assert list(zip(found["timestamps"], found["values"], strict=True)) == EXPECTED, name
        assert found["series_id"] == "boiler-7"


@pytest.mark.parametrize(
    ("content", "choices", "query"),
    [
        (PREAMBLE.encode("utf-16"), Choices(), {}),
        (bz2.compress(PREAMBLE.encode("cp1252")), Choices(timezone="Europe/Berlin"), {"timezone": "Europe/Berlin"}),
        (
            b"a,b,when\n1,2,1768176000000\n3,4,1768176000000\n",
            Choices(value_column="b", unit=Unit.MS, doubled=Doubled.MEAN),
            {"value": "b", "unit": "ms", "doubled": "mean"},
        ),
        (SENSORS.encode(), Choices(series_column="sensor"), {"series_column": "sensor"}),
    ],
)
def test_the_route_returns_what_the_command_line_reads(
    api: httpx.Client, tmp_path: Path, content: bytes, choices: Choices, query: dict[str, str]
) -> None:
    file = tmp_path / "points"
    file.write_bytes(content)
    expected = read_series(str(file), choices)
    found = sent(api, content, **query).raise_for_status().json()["series"]
    assert {series["label"]: (series["timestamps"], series["values"], series["notes"]) for series in found} == {
        label: (points.timestamps.tolist(), points.values.tolist(), points.notes) for label, points in expected.items()
    }
    if choices.series_column:
        assert [series["series_id"] for series in found] == ["a", "b-1"]
        (one,) = sent(api, content, **query, series="a").json()["series"]
        assert one["values"] == [2, 4]


def test_a_refusal_is_a_problem_with_the_sentence_of_the_reader(api: httpx.Client, tmp_path: Path) -> None:
    content = f"time,supply,return\n{START},1,2\n".encode()
    file = tmp_path / "boiler.csv"
    file.write_bytes(content)
    with pytest.raises(InputError) as refused:
        read(str(file))
    problem = sent(api, content, name="boiler.csv")
    assert (problem.status_code, problem.json()["code"]) == (422, "invalid_file")
    assert problem.json()["detail"] == refused.value.detail
    assert "Choose one with --value." in refused.value.detail
    assert sent(api, content, decimal=";").json()["detail"] == "--decimal is ';': it must be . or ,"
    assert sent(api, content, unit="h").json()["code"] == "invalid_request"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        pytest.param(gzip.compress(bytes(2 * MIB)), "expands to more than 1 MiB. Use `tsad fit`", id="bomb"),
        pytest.param(bz2.compress(bytes(2 * MIB)), "expands to more than 1 MiB. Use `tsad fit`", id="other bomb"),
        pytest.param(b"1" * MIB, "field larger than field limit", id="one line"),
        pytest.param(b"[" * MIB, "maximum recursion depth exceeded", id="nested"),
        pytest.param(bytes(range(256)), "is neither UTF-8 text nor Parquet", id="noise"),
        pytest.param(b"PAR1" + bytes(100), "The Parquet file boiler 7.csv.gz cannot be read", id="damaged Parquet"),
        pytest.param(b"", "contains no points", id="empty"),
    ],
)
def test_a_hostile_file_is_refused_in_a_sentence(content: bytes, sentence: str) -> None:
    with pytest.raises(InputError) as refused:
        answer(content, task())
    assert sentence in refused.value.detail


def test_the_process_of_a_file_has_no_passwords_and_reports_what_it_refuses(
    api: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    environments = []
    run = subprocess.run

    def observed(*arguments: Any, **options: Any) -> Any:
        environments.append(options["env"])
        return run(*arguments, **options)

    monkeypatch.setattr(subprocess, "run", observed)
    bomb = gzip.compress(bytes(65 * MIB), 1)
    expected = "bomb.csv expands to more than 64 MiB. Use `tsad fit`, or send fewer rows."
    assert sent(api, bomb, name="bomb.csv").json()["detail"] == expected
    assert set(environments[0]) <= {*apart.KEPT, "PYTHONPATH", "PYTHONUTF8", "OPENBLAS_NUM_THREADS"}


def test_a_file_that_takes_too_long_or_too_much_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refusal(content: bytes) -> str:
        lane = FairLane("files")
        try:
            with pytest.raises(InputError) as refused:
                await read_apart(lane, "key", Content([content]), "boiler.csv", NOTHING_STATED, None, MIB)
        finally:
            lane.close()
        return refused.value.detail

    monkeypatch.setattr(apart, "WITHIN_S", 0.01)
    assert asyncio.run(refusal(b"1")).startswith("boiler.csv cannot be read within 0 seconds.")


def test_the_form_and_the_route_have_the_options_of_the_command_line() -> None:
    parameters = inspect.signature(fit).parameters
    stated = {field.name: parameters[field.name].annotation.__metadata__[0].default for field in fields(Choices)}
    options = {option if isinstance(option, str) else f"--{name}" for name, option in stated.items()}
    form = str(templates.get_template("file_parts.html").module.options(MIB))  # type: ignore[attr-defined]
    assert set(re.findall(r"<code class=\"faint\">(--[a-z-]+)", form)) == options
    names = set(re.findall(r'name="(\w+)"', form))
    assert names == {option.removeprefix("--").replace("-", "_") for option in options}
    assert names == set(inspect.signature(choices_of_query).parameters)
