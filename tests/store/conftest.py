"""Fixtures for rows without artifacts, in a separate database."""

from collections.abc import Callable, Iterator
from datetime import datetime
from uuid import uuid4

import pytest
from sqlalchemy import text

from shared.domain.jobs import NewJob
from shared.domain.versions import Artifact
from shared.settings import Settings
from shared.store.engine import Sessions
from tests.processes import migrated_database, sessions_of

MakeJob = Callable[..., NewJob]


@pytest.fixture(scope="module")
def store(settings: Settings, server_url: str) -> Iterator[Sessions]:
    """A database without a reconciler or worker."""
    with (
        migrated_database(server_url) as url,
        sessions_of(settings.model_copy(update={"database_url": url})) as sessions,
    ):
        yield sessions


@pytest.fixture
def new_job(store: Sessions, series_id: str) -> MakeJob:
    """Return a function that creates jobs that can be accepted now."""

    def make(series: str = series_id, admitted_at: datetime | None = None, **fields: object) -> NewJob:
        with store.begin() as session:
            now = session.execute(text("SELECT clock_timestamp()")).scalar_one()
        job_id = str(uuid4())
        values: dict[str, object] = {
            "job_id": job_id,
            "series_id": series,
            "detector": "baseline",
            "parameters": {},
            "points": 3,
            "data": Artifact(f"{series}/{job_id}.npz", bytes(32), 100),
            "request_sha256": bytes(32),
            "admitted_at": admitted_at or now,
        }
        return NewJob(**{**values, **fields})  # type: ignore[arg-type]

    return make
