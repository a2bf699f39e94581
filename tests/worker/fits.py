"""Look at fits, and replace what they compute."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from shared.domain import detectors
from worker import training as trainings
from worker.training import Training

if TYPE_CHECKING:
    from shared.domain.detectors.contract import Detector


def status_of(api: httpx.Client, job_id: str) -> dict[str, Any]:
    job: dict[str, Any] = api.get(f"/jobs/{job_id}").json()
    return job


def outcome_counts(training: Training) -> dict[str, float]:
    """Return the number of attempts by outcome, from the metrics of a worker."""
    return {
        sample.labels["outcome"]: sample.value
        for metric in training.metrics.registry.collect()
        for sample in metric.samples
        if sample.name == "tsad_job_seconds_count" and sample.labels["detector"] == "baseline"
    }


@contextmanager
def fitting(monkeypatch: pytest.MonkeyPatch, fit: Any) -> Iterator[None]:
    """Replace the fit of the baseline detector."""
    real = detectors.named("baseline")
    fake: Detector[Any] = replace(real, fit=fit)
    with monkeypatch.context() as patch:
        patch.setattr(trainings, "named", lambda _: fake)
        yield
