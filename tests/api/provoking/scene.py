"""An API with a fitted series, for requests that provoke errors."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import httpx

from shared.settings import Settings
from shared.store.engine import Sessions
from tests.points import ramp
from tests.processes import serving
from worker.training import Training

POINT = {"timestamp": 1, "value": 2}


@dataclass(frozen=True)
class Scene:
    """An API with a fitted series."""

    api: httpx.Client
    settings: Settings
    sessions: Sessions
    training: Training
    trained: str  # a series with versions 1 (pinned) and 2
    succeeded: str  # a job

    def fit(self, series_id: str, **fields: Any) -> str:
        return str(self.api.post(f"/fit/{series_id}", json=ramp(**fields)).json()["job_id"])

    def serving(self, **values: Any) -> AbstractContextManager[httpx.Client]:
        """Serve an API with other settings."""
        return serving(self.settings.model_copy(update=values))


Send = Callable[[Scene], httpx.Response]


def request_to(method: str, path: str, **arguments: Any) -> Send:
    return lambda scene: scene.api.request(
        method, path.format(trained=scene.trained, succeeded=scene.succeeded), **arguments
    )
