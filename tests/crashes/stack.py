"""Processes that die at armed steps, and helpers for the tests that kill them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from sqlalchemy import text

from shared.artifacts import Artifacts, data_key, state_key
from shared.embedded.ports import free_port
from shared.settings import Settings
from shared.store import admissions, attempts
from shared.store.engine import Sessions
from tests.crashes.steps import ROOT, Step
from tests.points import ramp
from tests.processes import Process, running
from tests.protocol.history import History
from tests.protocol.world import World
from tests.stores import files_below
from tests.waiting import until

PATIENCE_S = 120  # enough on a busy machine


class Stack:
    """An API, a worker and a reconciler; the test starts each."""

    def __init__(self, settings: Settings, sessions: Sessions, folder: Path) -> None:
        self.settings, self.sessions, self.folder = settings, sessions, folder
        self.artifacts = Artifacts.of(settings)
        self.armed = folder / "armed"
        self.armed.mkdir(parents=True)
        self.port = free_port()
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30, trust_env=False)

    @contextmanager
    def run(self, process: str) -> Iterator[Process]:
        arguments = (process, str(self.port)) if process == "api" else (process,)
        target = (self.settings, self.folder, "tests.crashes.entry", *arguments)
        with running(*target, exit_codes=(0, -15, -9), ARMED=str(self.armed), PYTHONPATH=str(ROOT)) as started:
            yield started

    # --- deaths -----------------------------------------------------------------------------------------------------

    def arm(self, actor: str, step: Step) -> None:
        (self.armed / f"{actor}~{step}").touch()

    def was_hit(self, actor: str, step: Step) -> bool:
        return (self.armed / f"hit~{actor}~{step}").exists()

    # --- clients ----------------------------------------------------------------------------------------------------

    def try_fit(self, series_id: str, key: str) -> str | None:
        """Request a fit; return the job id, or None without a response."""
        try:
            answer = self.client.post(f"/fit/{series_id}", json=ramp(), headers={"Idempotency-Key": key})
        except httpx.TransportError:
            return None
        return str(answer.json()["job_id"]) if answer.status_code == httpx.codes.ACCEPTED else None

    def fit(self, series_id: str, key: str = "") -> str:
        """Repeat the same request until it gets a response, as clients should; return the job id."""
        job_ids: list[str] = []
        key = key or str(uuid4())
        until(
            lambda: job_ids, PATIENCE_S, meanwhile=lambda: job_ids.extend(filter(None, [self.try_fit(series_id, key)]))
        )
        return job_ids[0]

    def job(self, job_id: str) -> dict[str, Any]:
        job: dict[str, Any] = self.client.get(f"/jobs/{job_id}").json()
        return job

    # --- state ------------------------------------------------------------------------------------------------------

    def jobs_of(self, series_id: str) -> list[tuple[str, str, int | None]]:
        """Return id, status and version of the jobs of a series, in the order of acceptance."""
        statement = text("SELECT CAST(id AS text), status, version FROM fit_jobs WHERE series_id = :id ORDER BY seq")
        with self.sessions.begin() as session:
            return [tuple(row) for row in session.execute(statement, {"id": series_id})]

    def open_jobs(self) -> int:
        with self.sessions.begin() as session:
            return admissions.admission(session, 1_000).open_jobs

    def history(self) -> History:
        """Check every invariant, and return the history of all jobs."""
        history = History(World(self.sessions, self.artifacts))
        history.observe()
        return history

    def orphans(self) -> set[str]:
        history = self.history()
        unfinished_files = {str(file) for file in files_below(self.folder) if file.name.startswith(".part-")}
        return (history.stored() - history.referenced()) | unfinished_files

    # --- work for the reconciler ------------------------------------------------------------------------------------

    def leave_orphans(self) -> None:
        job_id = str(uuid4())
        self.artifacts.data.put(data_key("orphan", job_id), b"x")
        self.artifacts.states.put(state_key("orphan", job_id, 1, ".json"), b"x")

    def poison(self, series_id: str) -> tuple[str, str]:
        """Create a job whose lease expires after two crashes, and a job that waits behind it; return their ids."""
        poison_id, next_job_id = self.fit(series_id), self.fit(series_id)
        with self.sessions.begin() as session:
            assert attempts.claim(session, poison_id, "doomed", 60)
            session.execute(
                text("UPDATE fit_jobs SET crashes = 2, lease_until = clock_timestamp() WHERE id = :id"),
                {"id": poison_id},
            )
        return poison_id, next_job_id
