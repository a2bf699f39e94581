"""`tsad fit` and `tsad predict`, against the API."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from shared.embedded.ports import free_port
from tests.cli.commands import Tsad, run
from tests.points import ramp
from tests.waiting import until
from worker import training as trainings


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "points.csv"
    columns = ramp()
    points = zip(columns["timestamps"], columns["values"], strict=True)
    path.write_text("ts,reading\n" + "".join(f"{moment},{value}\n" for moment, value in points))
    return str(path)


@pytest.fixture
def fitting(api: httpx.Client, training: trainings.Training, series_id: str) -> Iterator[None]:
    """Run a worker that fits this series while the command waits."""

    def fit() -> None:
        jobs: list[str] = []

        def accepted() -> bool:
            answer = api.get("/jobs", params={"series_id": series_id}).json()
            jobs[:] = [job["job_id"] for job in answer["jobs"]]
            return bool(jobs)

        until(accepted)
        trainings.run(training, jobs[0])

    with ThreadPoolExecutor(1) as executor:
        future = executor.submit(fit)
        yield
        future.result()


def test_a_file_is_fitted_and_its_version_is_printed(tsad: Tsad, file: str, series_id: str, fitting: None) -> None:
    result = tsad(
        "fit", file, "--series", series_id, "-p", "threshold=2.5", "-p", "direction=above", "--wait", "--json"
    )
    assert result.code == 0, result.err
    (job,) = result.answers
    assert (job["status"], job["version"], job["points_used"]) == ("succeeded", "1", 20)
    assert (job["parameters"]["threshold"], job["parameters"]["direction"]) == (2.5, "above")
    assert "timestamps from 'ts' (Unix time in s), values from 'reading'" in result.err


def test_a_fit_is_accepted_from_standard_input_without_waiting(tsad: Tsad, series_id: str) -> None:
    result = tsad("fit", "-", "--series", series_id, "--detector", "robust", stdin=json.dumps(ramp()))
    assert result.code == 0, result.err
    assert "queued" in result.out
    (job,) = tsad("jobs", "list", "--series", series_id, "--json").answers
    assert (job["status"], job["detector"]) == ("queued", "robust")


def test_a_fit_that_names_neither_detector_nor_parameters_uses_auto(tsad: Tsad, series_id: str) -> None:
    assert tsad("fit", "-", "--series", series_id, stdin=json.dumps(ramp())).code == 0
    (job,) = tsad("jobs", "list", "--series", series_id, "--json").answers
    assert job["detector"] == "auto"


def test_waiting_for_a_canceled_fit_exits_with_code_1_and_the_reason(
    tsad: Tsad, series_id: str, training: trainings.Training, api: httpx.Client
) -> None:
    accepted = tsad("fit", "-", "--series", series_id, "--json", stdin=json.dumps(ramp()))
    (job,) = accepted.answers
    api.post(f"/jobs/{job['job_id']}/cancel")
    result = tsad("jobs", "wait", job["job_id"])
    assert result.code == 1
    assert f"Job {job['job_id']} cancelled" in result.err


def test_an_invalid_fit_exits_with_code_2_and_the_reason(tsad: Tsad, file: str, series_id: str) -> None:
    result = tsad("fit", file, "--series", series_id, "-p", "threshold=-1")
    assert result.code == 2
    assert "threshold" in result.err
    assert tsad("fit", file, "--series", "a/b").code == 2
    assert tsad("fit", file, "--series", series_id, "-p", "threshold").code == 2
    assert tsad("fit", "/nowhere", "--series", series_id).code == 2
    assert tsad("fit", file).code == 2


def test_an_unreachable_api_exits_with_code_3(file: str) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    result = run("fit", file, "--series", "a", "--url", address)
    assert result.code == 3
    assert f"{address} cannot be reached" in result.err
    assert run("fit", file, "--series", "a", "--url", "no address").code == 3


def test_a_timeout_exits_with_code_3(tsad: Tsad, file: str, series_id: str) -> None:
    result = tsad("fit", file, "--series", series_id, "--wait", "--timeout", "0")
    assert result.code == 3
    assert "still queued" in result.err


def test_one_point_is_scored(tsad: Tsad, fitted: Callable[..., str], series_id: str) -> None:
    fitted(series_id)
    normal = tsad("predict", series_id, "--value", "2", "--at", "2026-01-01T00:00:00Z", "--explain")
    assert normal.code == 0, normal.err
    assert normal.out.startswith("2026-01-01 00:00:00Z  2  normal, score 0,")
    assert "inside the normal band" in normal.out
    abnormal = tsad("predict", series_id, "--value", "-99", "--fail-on-anomaly", "--json")
    assert abnormal.code == 5
    assert abnormal.answers[0]["anomaly"]
    assert abnormal.answers[0]["value"] == -99


def test_points_of_a_file_are_scored_and_the_anomalies_listed(
    tsad: Tsad, fitted: Callable[..., str], series_id: str, tmp_path: Path
) -> None:
    fitted(series_id)
    file = tmp_path / "new.csv"
    file.write_text("time,value\n1800000000,2\n1800000060,50\n1800000120,3\n")
    result = tsad("predict", series_id, "--file", str(file), "--fail-on-anomaly")
    assert result.code == 5, result.err
    assert [line.split()[2] for line in result.out.splitlines()[1:]] == ["50"]
    assert "Version 1 (baseline): 1 anomaly in 3 points" in result.err
    everything = tsad("predict", series_id, "--file", "-", "--json", "--version", "v1", stdin=file.read_text())
    assert [(point["timestamp"], point["anomaly"]) for point in everything.answers] == [
        (1_800_000_000, False),
        (1_800_000_060, True),
        (1_800_000_120, False),
    ]


def test_an_unknown_series_exits_with_code_4(tsad: Tsad, series_id: str) -> None:
    result = tsad("predict", series_id, "--value", "1")
    assert result.code == 4
    assert "no version" in result.err


def test_predict_requires_either_a_value_or_a_file(tsad: Tsad, series_id: str) -> None:
    assert tsad("predict", series_id).code == 2
    assert tsad("predict", series_id, "--value", "1", "--file", "-").code == 2
