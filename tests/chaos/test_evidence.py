"""Artifacts are compared with the client's data, byte by byte where it matters."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.artifacts import Artifacts, LocalFolder
from shared.domain import held_out
from shared.domain.detectors import named
from shared.domain.detectors.parameters import complete
from shared.domain.detectors.states import Fitted, encode
from shared.domain.training_scores import TrainingScores
from shared.domain.versions import Artifact
from tests.chaos.evidence import flaws
from tests.chaos.plan import Order
from tests.stores import root

ORDER = Order(0, 0.0, "s", 50, seed=1, threshold=2.5)
JOB = "00000000-0000-4000-8000-000000000000"
StoredArtifacts = dict[str, Artifact]


@pytest.fixture
def artifacts(tmp_path: Path) -> Artifacts:
    return Artifacts(LocalFolder(tmp_path / "data"), LocalFolder(tmp_path / "models"))


def store(artifacts: Artifacts, order: Order, suffix: str = "") -> StoredArtifacts:
    """Store the artifacts that a worker stores for this order."""
    series, detector = order.series(), named("baseline")
    state = detector.fit(series, complete(detector.parameters, order.parameters), lambda _: None)
    scores = TrainingScores.of(held_out.by_folds(Fitted(detector, state), series, order.parameters, lambda: None))
    return {
        "data": artifacts.data.put(f"s{suffix}/{JOB}.npz", series.encode()),
        "state": artifacts.states.put(f"s{suffix}/{JOB}.1.json", encode(Fitted(detector, state))[0]),
        "scores": artifacts.states.put(f"s{suffix}/{JOB}.1.scores.npz", scores.encode()),
    }


def test_the_artifacts_of_a_worker_have_no_flaws(artifacts: Artifacts) -> None:
    assert flaws(artifacts, ORDER, **store(artifacts, ORDER)) == []


@pytest.mark.parametrize("kind", ["data", "state", "scores"])
def test_an_artifact_of_other_points_is_a_flaw(artifacts: Artifacts, kind: str) -> None:
    others = store(artifacts, Order(1, 0.0, "s", 50, seed=2, threshold=2.5), "-other")
    (flaw,) = flaws(artifacts, ORDER, **store(artifacts, ORDER) | {kind: others[kind]})
    assert flaw.startswith(others[kind].key)


def stored_files(artifacts: Artifacts) -> Iterator[Path]:
    yield root(artifacts.data) / "s" / f"{JOB}.npz"
    yield root(artifacts.states) / "s" / f"{JOB}.1.json"
    yield root(artifacts.states) / "s" / f"{JOB}.1.scores.npz"


def test_a_truncated_or_missing_artifact_is_a_flaw(artifacts: Artifacts) -> None:
    for file in stored_files(artifacts):
        stored = store(artifacts, ORDER)
        file.write_bytes(file.read_bytes()[:-5])
        assert "damaged" in flaws(artifacts, ORDER, **stored)[0]
        file.unlink()
        assert "damaged" in flaws(artifacts, ORDER, **stored)[0]
