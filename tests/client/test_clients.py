"""Both clients against the service: from a frame to versions, verdicts and alerts."""

import asyncio
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, assert_type

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from shared.embedded.ports import free_port
from shared.settings import Settings
from tests.processes import serving
from tsad_client import AsyncClient, AsyncJob, Client, Job, Patience, Verdict, codes
from tsad_client.errors import JobCanceledError, UnreachableError, WaitTimeoutError

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
TIMES = [BEGIN + timedelta(hours=hour) for hour in range(96)]
VALUES = [18.0 if hour % 2 else 22.0 for hour in range(96)]
SCORED = {"anomaly": [False, True, None], "score": [0.5, 2.5, None], "upper": [26.0, 26.0, 26.0]}


@pytest.fixture
def name() -> str:
    return f"client-{secrets.token_hex(4)}"


def frame(library: str, times: list[Any], values: list[Any]) -> Any:
    """A frame with a column of times, one of values, and one of text."""
    if library == "pandas":
        return pd.DataFrame({"time": times, "celsius": pd.array(values, "Float64"), "note": "boiler"})
    if library == "polars":
        return pl.DataFrame({"time": times, "celsius": values}).with_columns(note=pl.lit("boiler"))
    return pa.table({"time": times, "celsius": values, "note": ["boiler"] * len(times)})


def listed(native: Any) -> dict[str, list[Any]]:
    """The columns of a frame as lists."""
    if isinstance(native, pd.DataFrame):
        return {str(name): [None if pd.isna(one) else one for one in native[name]] for name in native.columns}
    columns: dict[str, list[Any]] = (
        native.to_pydict() if isinstance(native, pa.Table) else native.to_dict(as_series=False)
    )
    return columns


@pytest.mark.parametrize("library", ["pandas", "polars", "arrow"])
def test_a_frame_is_fitted_and_scored_and_its_kind_comes_back(url: str, name: str, library: str) -> None:
    with Client(url) as client:
        job = client.fit(name, frame(library, TIMES, VALUES), detector="baseline")
        assert_type(job, Job)
        version = job.wait()
        assert (job.status, version.series_id, version.version, version.points) == ("succeeded", name, "1", 96)
        data = frame(library, TIMES[:3], [23, 35, None])
        scored = client.predict_batch(name, data)
        assert type(scored) is type(data)
        columns = listed(scored)
        assert list(columns)[:4] == ["time", "celsius", "note", "anomaly"]
        assert {column: columns[column] for column in SCORED} == SCORED
        pushed = client.push(name, frame(library, [datetime.now(UTC).replace(microsecond=0)], [30.0]))
        assert pushed.accepted == 1


def test_the_client_of_an_event_loop_does_the_same(url: str, name: str) -> None:
    async def tour() -> None:
        async with AsyncClient(url) as client:
            job = await client.fit(name, {"timestamps": TIMES, "values": VALUES}, detector="baseline")
            assert_type(job, AsyncJob)
            assert (await job.wait()).version == "1"
            verdicts = await asyncio.gather(*(client.predict(name, BEGIN, value) for value in (23, 35)))
            assert_type(verdicts[0], Verdict)
            assert [verdict.anomaly for verdict in verdicts] == [False, True]
            with pytest.raises(codes.SeriesNotFoundError):
                await client.predict(f"{name}-2", BEGIN, 1)

    asyncio.run(tour())


def test_an_alert_is_listed_and_acknowledged(url: str, name: str) -> None:
    now = int(time.time()) // 60 * 60
    with Client(url) as client:
        client.fit(
            name, {"timestamps": range(now - 7200, now - 600, 60), "values": [1, 2] * 55}, detector="baseline"
        ).wait()
        applied = client.apply({"watches": {name: {"prefix": name, "silence": "off"}}})
        assert [change.action for change in applied.changes if change.name == name] == ["create"]
        assert client.put_watch(name, name, silence="off").prefix == name
        pushed = client.push_points((name, now - 60 * minute, 50) for minute in (3, 2, 1))
        assert (pushed.accepted, pushed.refused, len(pushed.alerts)) == (3, 0, 1)
        (alert,) = client.alerts(watch=name)
        assert (alert.alert_id, alert.status, alert.series_id) == (pushed.alerts[0], "open", name)
        assert client.acknowledge(alert.alert_id).acknowledged_at
        assert client.review(alert.alert_id, "expected", "Load test").note == "Load test"
        assert [found.alert_id for found in client.alerts(watch=name, review="expected")] == [alert.alert_id]
        points = client.stored_points(name, from_=now - 180)
        assert points.anomaly == [True, True, True]
        client.delete_watch(name)
        assert client.alert(alert.alert_id).status == "closed"
        assert client.delete_series(name).deleted_versions == 1


def test_lists_continue_after_the_first_page_and_end_at_the_limit(
    url: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tsad_client.sending.LARGEST_PAGE", 2)
    with Client(url) as client:
        client.push_points((f"{name}-{number}", int(time.time()), 1) for number in range(5))
        ids = [series.series_id for series in client.list_series(name)]
        assert ids == [f"{name}-{number}" for number in range(5)]
        assert [series.series_id for series in client.list_series(name, limit=3)] == ids[:3]


def test_a_job_that_fails_is_canceled_or_takes_too_long_raises_what_happened(url: str) -> None:
    points = {"timestamps": TIMES, "values": VALUES}
    with Client(url) as client:
        waiting = client.fit(f"unfitted-{secrets.token_hex(4)}", points)  # no worker takes it
        with pytest.raises(WaitTimeoutError, match="still queued after 0 s"):
            waiting.wait(timeout_s=0)
        assert client.job(waiting.job_id).cancel().status == "cancelled"
        with pytest.raises(JobCanceledError):
            waiting.wait()
        with pytest.raises(codes.ConstantSeriesError, match=r"constant_series") as raised:
            client.fit("client-constant", {"timestamps": [1, 2, 3], "values": [1, 1, 1]}, detector="baseline").wait()
        assert raised.value.status


def test_a_repeated_fit_with_the_same_idempotency_key_is_the_same_job(url: str, name: str) -> None:
    with Client(url) as client:
        first, second = (
            client.fit(name, {"timestamps": TIMES, "values": VALUES}, idempotency_key="nightly") for _ in range(2)
        )
        assert first.job_id == second.job_id
        results = client.fit_many(
            {name: {"timestamps": TIMES, "values": VALUES}, "not an id": {"timestamps": [], "values": []}}
        )
        assert [result.problem and result.problem.code for result in results] == [None, "invalid_series_id"]


def test_the_client_waits_for_a_service_that_starts_but_not_for_long(settings: Settings) -> None:
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with Client(address, patience=Patience(unreachable_s=0)) as client, pytest.raises(UnreachableError, match="Does"):
        client.detectors()
    with ThreadPoolExecutor(1) as pool, Client(address) as client:
        detectors = pool.submit(client.detectors)
        with serving(settings, port):
            assert detectors.result()
