"""Guarantees of every store: artifacts are complete or absent, and reads return the stored bytes."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import obstore
import pytest

from shared.artifacts import Artifacts, Key, LocalFolder, ObjectStore, Store, data_key, scores_key, state_key
from shared.errors import Code, DamagedError
from tests.processes import make_settings
from tests.stores import BUCKET, names, root

JOB = "2e6e0eab-0694-448b-8eea-79b35f7a58c1"
HOSTILE = [
    "../a.npz",
    f"../{JOB}.npz",
    f"./{JOB}.npz",
    f"a/../{JOB}.npz",
    f"/etc/{JOB}.npz",
    f"a..b/{JOB}.npz",
    f"a/{JOB}.pkl",
    f"a/{JOB}",
    f"a/{JOB}.npz\n",
    f"a/{JOB.upper()}.npz",
    "a/.part-0123456789abcdef",
    f"{'x' * 129}/{JOB}.npz",
    "",
]


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path, series_id: str) -> Store:
    """An empty store of each kind."""
    if request.param == "folder":
        return LocalFolder(tmp_path / "store")
    return bucket(f"s3://{BUCKET}/{series_id}", request.getfixturevalue("s3"))


def bucket(url: str, settings: dict[str, str]) -> ObjectStore:
    return ObjectStore(url, make_settings(**settings))


def write_directly(store: Store, name: str, content: bytes) -> None:
    if isinstance(store, ObjectStore):
        obstore.put(store.bucket, name, content)
    else:
        (root(store) / name).parent.mkdir(parents=True, exist_ok=True)
        (root(store) / name).write_bytes(content)


def test_stored_bytes_can_be_read_back(store: Store) -> None:
    for content in (b"", b"a", os.urandom(100_000)):
        stored = store.put(data_key("a.b-c_d", str(uuid4())), memoryview(content))
        assert (stored.size, store.get(stored)) == (len(content), content)


@pytest.mark.parametrize("damage", [b"", b"conten", b"contenT", b"contents"])
def test_altered_bytes_raise_damaged_error(store: Store, damage: bytes) -> None:
    stored = store.put(data_key("a", JOB), b"content")
    write_directly(store, stored.key, damage)
    with pytest.raises(DamagedError) as raised:
        store.get(stored)
    assert raised.value.code == Code.ARTIFACT_DAMAGED
    write_directly(store, stored.key, b"content")
    assert store.get(stored) == b"content"


def test_a_deleted_artifact_reads_as_damaged_and_can_be_deleted_again(store: Store) -> None:
    stored = store.put(data_key("a", JOB), b"content")
    store.delete(stored.key)
    store.delete(stored.key)
    assert names(store) == set()
    with pytest.raises(DamagedError):
        store.get(stored)


@pytest.mark.parametrize("key", HOSTILE)
def test_an_invalid_key_is_rejected_by_every_operation(store: Store, key: str) -> None:
    assert Key.parse(key) is None
    for attempt in (lambda: store.put(key, b"x"), lambda: store.delete(key)):
        with pytest.raises(DamagedError):
            attempt()
    assert names(store) == set()


@pytest.mark.parametrize(
    "key",
    [data_key("a", JOB), state_key("a", JOB, 3, ".json"), state_key("a", JOB, 12, ".npz"), scores_key("a", JOB, 1)],
)
def test_a_key_parses_into_its_parts(key: str) -> None:
    assert Key.parse(key) == Key(key, "a", JOB)


def test_only_artifacts_are_listed(store: Store) -> None:
    stored = [store.put(data_key(series_id, JOB), b"x").key for series_id in ("a", "b")]
    for foreign in ("a/notes.txt", "a/.part-0123", "loose.npz"):
        write_directly(store, foreign, b"x")
    assert sorted(key.name for key in store.keys()) == stored  # noqa: SIM118 - not a dictionary


def test_sweeping_leaves_artifacts_and_foreign_files_alone(store: Store) -> None:
    store.put(data_key("a", JOB), b"x")
    write_directly(store, "a/notes.txt", b"x")
    store.sweep(older_than=2**40)
    assert names(store) == {data_key("a", JOB), "a/notes.txt"}


def test_checking_a_store_leaves_nothing_behind(store: Store) -> None:
    store.check()
    assert names(store) == set()


def test_concurrent_writes_to_one_series_succeed(store: Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        stored = list(pool.map(lambda n: store.put(data_key("a", str(uuid4())), b"%d" % n), range(100)))
    assert [store.get(artifact) for artifact in stored] == [b"%d" % n for n in range(100)]


def test_data_and_states_can_use_different_kinds_of_stores(s3: dict[str, str], tmp_path: Path) -> None:
    stores = Artifacts.of(
        make_settings(training_data_folder=tmp_path, model_state_folder=f"s3://{BUCKET}/models/", **s3)
    )
    assert (type(stores.data), type(stores.states)) == (LocalFolder, ObjectStore)
    key = stores.states.put(state_key("a", JOB, 1, ".json"), b"{}").key
    assert f"models/{key}" in names(bucket(f"s3://{BUCKET}", s3))
