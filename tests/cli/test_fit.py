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


def test_a_waited_fit_ends_with_what_it_found(
    tsad: Tsad, api: httpx.Client, series_id: str, fitting: None, tmp_path: Path
) -> None:
    columns = ramp(200)
    columns["values"][100] = columns["values"][150] = 90.0
    file = tmp_path / "points.json"
    file.write_text(json.dumps(columns))
    result = tsad("fit", str(file), "--series", series_id, "--detector", "robust", "--wait")
    assert result.code == 0, result.err
    assert f"series      {series_id}, version 1\n" in result.out
    assert "detector    robust\n" in result.out
    assert "anomalies   2 of 200 points (1 %), the newest at 2023-11-15 00:43:20Z\n" in result.out
    assert "alarm rate  One false alarm in 1,000 points, extrapolated" in result.out
    assert f"plot        {api.base_url}/plot?series_id={series_id}&version=1\n" in result.out
    assert "Warning: 1 % of the training points are anomalies, 10 times the alarm rate of 1 in 1000" in result.err
    (job,) = tsad(
        "jobs", "wait", tsad("jobs", "list", "--series", series_id, "--json").answers[0]["job_id"], "--json"
    ).answers
    assert (job["fitted"]["anomalies"], job["fitted"]["newest_anomaly"]) == (2, 1_700_009_000)


def test_a_repeated_fit_finds_the_job_and_the_version_of_the_first_one(
    tsad: Tsad, api: httpx.Client, training: trainings.Training, series_id: str, file: str
) -> None:
    def fit(*options: str) -> str:
        result = tsad("fit", file, "--series", series_id, "--json", *options)
        assert ("Unchanged: version" in result.err) == (result.answers[0]["status"] == "succeeded")
        job_id: str = result.answers[0]["job_id"]
        return job_id

    first = fit()
    assert fit() == first
    trainings.run(training, first)
    assert fit() == first
    second = fit("--again")
    assert second != first
    assert fit() == first  # its version is still the newest
    api.post(f"/jobs/{second}/cancel")
    assert fit("--again") not in (first, second)
    tsad("series", "delete", series_id, "--yes")
    assert fit() not in (first, second)


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
    wide = "time,other,temp\n1800000000,1,2\n1800000060,2,50\n"
    chosen = tsad("predict", series_id, "--file", "-", "--value", "temp", "--json", stdin=wide)
    assert [point["value"] for point in chosen.answers] == [2, 50]
    assert "'other', 'temp'. Choose one with --value" in tsad("predict", series_id, "--file", "-", stdin=wide).err
    everything = tsad("predict", series_id, "--file", "-", "--json", "--version", "v1", stdin=file.read_text())
    assert [(point["timestamp"], point["anomaly"]) for point in everything.answers] == [
        (1_800_000_000, False),
        (1_800_000_060, True),
        (1_800_000_120, False),
    ]


def test_points_that_are_not_judged_have_their_own_line_and_exit_code(
    tsad: Tsad, fitted: Callable[..., str], series_id: str
) -> None:
    fitted(series_id, ramp(300, detector="ar"))
    late: dict[str, list[float]] = {
        "timestamps": [1_800_000_000 + 60 * place for place in range(20)],
        "values": [9.0] * 20,
    }
    result = tsad("predict", series_id, "--file", "-", "--fail-on-anomaly", stdin=json.dumps(late))
    anomalous = result.out.count("anomaly")
    assert result.code == (5 if anomalous else 6)
    assert "in 4 judged points" in result.err
    assert "Not judged: 16 points of 20, 2027-01-15 08:00:00Z to 2027-01-15 08:15:00Z." in result.err
    few = json.dumps({name: column[:16] for name, column in late.items()})
    assert tsad("predict", series_id, "--file", "-", "--fail-on-anomaly", stdin=few).code == 6
    listed = tsad("predict", series_id, "--file", "-", "--all", stdin=few)
    assert (listed.code, listed.out.count("not judged")) == (6, 16)
    rows = tsad("predict", series_id, "--file", "-", "--json", stdin=few).answers
    assert {(row["anomaly"], row["score"]) for row in rows} == {(None, None)}
    assert all("too few values" in row["reason"] for row in rows)
    single = tsad("predict", series_id, "--value", "2")
    assert single.code == 6
    assert "not judged: The detector ar needs the previous 16 values" in single.out


@pytest.mark.parametrize("options", [("--value=nan",), ("--value=-inf",), ("--value=1", "--context=nan")])
def test_a_value_that_is_not_finite_is_refused(tsad: Tsad, series_id: str, options: tuple[str, ...]) -> None:
    result = tsad("predict", series_id, *options)
    assert result.code == 2
    assert "is not a finite number" in result.err


def test_an_unknown_series_exits_with_code_4(tsad: Tsad, series_id: str) -> None:
    result = tsad("predict", series_id, "--value", "1")
    assert result.code == 4
    assert "no version" in result.err


def test_predict_requires_either_a_value_or_a_file(tsad: Tsad, series_id: str) -> None:
    assert tsad("predict", series_id).code == 2
    assert tsad("predict", series_id, "--value", "many").code == 2
