"""Downloads of training data: from disk, in parts, in shares per key, and only while the key is valid."""

import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import pytest

from api.following import downloads
from api.routes import versions
from api.sharing import Shares
from shared.artifacts import Artifacts
from shared.domain.series import Series, timestamp_slices, value_slices
from shared.errors import BusyError, DamagedError
from shared.settings import Settings
from shared.store import keys
from shared.store.engine import Sessions
from tests.keys import MakeKey
from tests.points import ramp
from tests.waiting import until
from worker import training as trainings

POINTS = 500_000


def test_a_key_gets_a_share_and_the_process_serves_a_number() -> None:
    shares = Shares("downloads", 3, 2)
    for _ in range(2):
        shares.take("greedy")
    for key_id, taken in (("greedy", 2), ("other", 3)):
        if taken == 3:
            shares.take(key_id)
        with pytest.raises(BusyError, match=f"{taken} downloads"):
            shares.take(key_id)
    shares.release("greedy")
    shares.take("other")


def test_without_keys_all_requests_share_the_whole() -> None:
    shares = Shares("downloads", 3, 1)
    for _ in range(3):
        shares.take("")
    with pytest.raises(BusyError):
        shares.take("")


def test_reading_a_long_series_in_slices_needs_no_memory_for_all_of_it(artifacts: Artifacts, series_id: str) -> None:
    long = Series(np.arange(POINTS), np.random.default_rng(1).normal(size=POINTS))
    stored = artifacts.data.put(f"{series_id}/00000000-0000-4000-8000-000000000000.npz", long.encode())
    tracemalloc.start()
    try:
        with artifacts.data.open(stored) as content:
            for slices, column in ((timestamp_slices, long.timestamps), (value_slices, long.values)):
                start = 0
                for part in slices(content, versions.POINTS_AT_A_TIME):
                    assert (part == column[start : start + len(part)]).all()
                    start += len(part)
                assert start == POINTS
        assert tracemalloc.get_traced_memory()[1] < stored.size / 4
    finally:
        tracemalloc.stop()


def test_an_altered_file_is_not_opened(artifacts: Artifacts, settings: Settings, series_id: str) -> None:
    key = f"{series_id}/00000000-0000-4000-8000-000000000000.npz"
    stored = artifacts.data.put(key, b"as it was")
    Path(settings.training_data_folder, key).write_bytes(b"as it is.")
    with pytest.raises(DamagedError):
        artifacts.data.open(stored)


def test_a_download_returns_its_share_and_closes_its_file(
    api: httpx.Client, series_id: str, fitted: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "POINTS_AT_A_TIME", 7)
    fitted(series_id)
    for _ in range(150):
        assert api.get(f"/series/{series_id}/versions/1/data").json() == ramp()
    rows = api.get(f"/series/{series_id}/versions/1/data?format=csv").text.splitlines()
    assert rows[1:] == [f"{at},{value}" for at, value in zip(*ramp().values(), strict=True)]


def test_a_download_breaks_off_when_its_key_is_revoked(
    keyed: httpx.Client,
    keyed_settings: Settings,
    keyed_sessions: Sessions,
    make_key: MakeKey,
    training: trainings.Training,
    series_id: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(downloads, "CHECK_EVERY_S", 0.0)
    key = make_key()

    def parts(_: object) -> Iterator[bytes]:
        while True:
            yield b"1," * 1000

    monkeypatch.setattr(versions, "_csv", parts)
    job = keyed.post(f"/fit/{series_id}", json=ramp(), auth=key).json()
    trainings.run(replace(training, sessions=keyed_sessions, settings=keyed_settings), job["job_id"])
    path = f"/series/{series_id}/versions/1/data?format=csv"
    with keyed.stream("GET", path, auth=key) as answer:
        assert answer.status_code == 200
        with keyed_sessions.begin() as session:
            keys.revoke(session, key.key_id)
        with pytest.raises(httpx.RemoteProtocolError):
            answer.read()
    until(lambda: keyed.get(path, auth=key).status_code == 401)
