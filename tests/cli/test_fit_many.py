"""`tsad fit-many`: a job for each file of a folder, however often the command runs."""

import gzip
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from shared.settings import Settings
from tests.cli.commands import Result, Tsad, run
from tests.processes import serving
from worker import training as trainings

POINTS = "time,value\n1800000000,2\n1800000060,50\n1800000120,3\n1800000180,4\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "sensors"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / f"{name}.csv").write_text(POINTS)
    (folder / "c.csv.gz").write_bytes(gzip.compress(POINTS.encode()))
    (folder / "notes.md").write_text("no points")
    return folder


@pytest.fixture
def installation_api(installation: Settings) -> Iterator[httpx.Client]:
    with serving(installation) as client:
        yield client


@pytest.fixture
def installation_tsad(installation_api: httpx.Client) -> Tsad:
    return partial(run, TSAD_URL=str(installation_api.base_url))


def accepted(result: Result) -> dict[str, str]:
    return {line["series_id"]: line["job_id"] for line in result.answers if "file" in line}


def test_each_point_file_becomes_a_job_and_a_second_run_returns_the_same_jobs(
    installation_tsad: Tsad, folder: Path, installation_training: trainings.Training
) -> None:
    first = installation_tsad("fit-many", str(folder), "--prefix", "plant-", "--json")
    assert first.code == 0, first.err
    assert accepted(first).keys() == {"plant-a", "plant-b", "plant-c"}
    for job_id in accepted(first).values():
        trainings.run(installation_training, job_id)
    (folder / "d.csv").write_text(POINTS)
    repeated = installation_tsad("fit-many", str(folder), "--prefix", "plant-", "--json")
    assert {**accepted(repeated), **accepted(first)} == accepted(repeated)
    assert accepted(repeated).keys() - accepted(first).keys() == {"plant-d"}
    job_list = installation_tsad("jobs", "list", "--json").answers
    assert len(job_list) == 4
    changed = installation_tsad("fit-many", f"{folder}/a*", "--prefix", "plant-", "-p", "threshold=2", "--json")
    assert accepted(changed)["plant-a"] != accepted(first)["plant-a"]


def test_files_that_cannot_be_fitted_are_reported_and_skipped(installation_tsad: Tsad, folder: Path) -> None:
    (folder / "bad.csv").write_text("time,value\nnever,much\n")
    (folder / "a b.csv").write_text(POINTS)
    (folder / "a.csv.gz").write_bytes(gzip.compress(POINTS.encode()))
    (folder / "flat.csv").write_text("time,value\n1,5\n2,5\n3,5\n")
    result = installation_tsad("fit-many", str(folder), "--json")
    assert result.code == 1
    assert accepted(result).keys() == {"a", "b", "c"}
    assert f"{folder}/bad.csv: 'never' (column 'time', row 2) is not a time" in result.err
    assert f"{folder}/a b.csv: Invalid series id" in result.err
    assert f"{folder}/a.csv.gz: {folder}/a.csv has the same series id a" in result.err
    assert f"{folder}/flat.csv: All values are the same" in result.err
    assert "3 of 7 files accepted, 4 rejected" in result.err


def test_what_was_inferred_is_reported_per_file_and_a_damaged_file_is_skipped(
    installation_tsad: Tsad, tmp_path: Path
) -> None:
    (tmp_path / "line-2").mkdir()
    (tmp_path / "line-2/boiler.csv").write_text("Datum;Wert\n14.01.2026;21,5\n13.01.2026;20,25\n12.01.2026;19\n")
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(POINTS.encode())[:-20])
    (tmp_path / "folder.csv").mkdir()
    result = installation_tsad("fit-many", str(tmp_path), "--recursive", "--json")
    assert result.code == 1
    (accepted_line,) = [line for line in result.answers if "file" in line]
    assert accepted_line["series_id"] == "line-2-boiler"
    assert (accepted_line["points"], accepted_line["unchanged"]) == (3, False)
    notes = "; ".join(accepted_line["notes"])
    assert "'Datum' (dates (day, month, year) without a time zone, read as UTC), values from 'Wert'" in notes
    assert "decimal sign ','; sorted the rows by time: the newest was first" in notes
    assert f"boiler.csv (line-2-boiler): 3 points; {notes}" in result.err
    (rejected_line,) = [line for line in result.answers if "rejected" in line]
    assert "damaged or incomplete" in rejected_line["reason"]
    assert "1 of 2 files accepted, 1 rejected." in result.err
    repeated = installation_tsad("fit-many", str(tmp_path), "--recursive")
    assert "(line-2-boiler): unchanged; " in repeated.err
    assert "1 of 2 files accepted (1 unchanged), 1 rejected." in repeated.err


def test_a_series_column_makes_one_job_per_series(installation_tsad: Tsad, tmp_path: Path) -> None:
    rows = (f"{1_800_000_000 + 60 * n},{host},{n % 7}\n" for n in range(12) for host in ("hall 1", "hall 2", "..."))
    (tmp_path / "plant.csv").write_text("time,host,value\n" + "".join(rows))
    result = installation_tsad(
        "fit-many", f"{tmp_path}/plant.csv", "--series-column", "host", "--prefix", "p.", "--json"
    )
    assert accepted(result).keys() == {"p.hall-1", "p.hall-2"}
    assert "2 of 3 series accepted, 1 rejected." in result.err


def test_waiting_reports_the_result_of_each_file(
    installation_tsad: Tsad, folder: Path, installation_training: trainings.Training
) -> None:
    jobs = accepted(installation_tsad("fit-many", str(folder), "--json"))
    for name in ("a", "b"):
        trainings.run(installation_training, jobs[name])
    installation_tsad("jobs", "cancel", jobs["c"])
    result = installation_tsad("fit-many", str(folder), "--wait", "--json")
    assert result.code == 1
    statuses = {line["series_id"]: line["status"] for line in result.answers if "progress" in line}
    assert statuses == {"a": "succeeded", "b": "succeeded", "c": "cancelled"}
    assert f"c: job {jobs['c']} cancelled" in result.err


def test_a_full_queue_stops_the_command_and_a_second_run_resumes(
    installation: Settings, folder: Path, installation_training: trainings.Training
) -> None:
    with serving(installation.model_copy(update={"max_queued_jobs": 2})) as client:
        tsad = partial(run, TSAD_URL=str(client.base_url))
        first = tsad("fit-many", str(folder), "--timeout", "0", "--json")
        assert first.code == 3
        assert "it resumes from here" in first.err
        assert len(accepted(first)) == 2
        for job_id in accepted(first).values():
            trainings.run(installation_training, job_id)
        second = tsad("fit-many", str(folder), "--timeout", "0", "--json")
        assert second.code == 0, second.err
        assert len(accepted(second)) == 3
        assert len(tsad("jobs", "list", "--json").answers) == 3


def test_a_folder_without_points_exits_with_code_2(installation_tsad: Tsad, tmp_path: Path) -> None:
    result = installation_tsad("fit-many", str(tmp_path))
    assert result.code == 2
    assert "No files in" in result.err
