"""Processes that die where armed, and what tests ask of them."""

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
from tests.waiting import until

PATIENCE_S = 120  # on a machine that does other things as well


class Stack:
    """One API, and the worker and the reconciler that tests start beside it."""

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
        own = (self.settings, self.folder, "tests.crashes.entry", *arguments)
        with running(*own, exit_codes=(0, -15, -9), ARMED=str(self.armed), PYTHONPATH=str(ROOT)) as started:
            yield started

    # --- deaths -----------------------------------------------------------------------------------------------------

    def arm(self, whose: str, step: Step) -> None:
        (self.armed / f"{whose}~{step}").touch()

    def was_hit(self, whose: str, step: Step) -> bool:
        return (self.armed / f"hit~{whose}~{step}").exists()

    # --- clients ----------------------------------------------------------------------------------------------------

    def try_fit(self, series_id: str, key: str) -> str | None:
        """The job's id; None when there was no answer."""
        try:
            answer = self.client.post(f"/fit/{series_id}", json=ramp(), headers={"Idempotency-Key": key})
        except httpx.TransportError:
            return None
        return str(answer.json()["job_id"]) if answer.status_code == httpx.codes.ACCEPTED else None

    def fit(self, series_id: str, key: str = "") -> str:
        """What a client does that wants its fit: the same request again, until it is answered."""
        job_ids: list[str] = []
        key = key or str(uuid4())
        until(
            lambda: job_ids, PATIENCE_S, meanwhile=lambda: job_ids.extend(filter(None, [self.try_fit(series_id, key)]))
        )
        return job_ids[0]

    def job(self, job_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client.get(f"/jobs/{job_id}").json()
        return found

    # --- what is true -----------------------------------------------------------------------------------------------

    def jobs_of(self, series_id: str) -> list[tuple[str, str, int | None]]:
        """Id, status and version of its jobs, in the order of acceptance."""
        statement = text("SELECT CAST(id AS text), status, version FROM fit_jobs WHERE series_id = :id ORDER BY seq")
        with self.sessions.begin() as session:
            return [tuple(row) for row in session.execute(statement, {"id": series_id})]

    def open_jobs(self) -> int:
        with self.sessions.begin() as session:
            return admissions.admission(session, 1_000).open_jobs

    def history(self) -> History:
        """All of it, after looking at what must hold."""
        history = History(World(self.sessions, self.artifacts))
        history.observe()
        return history

    def orphans(self) -> set[str]:
        history = self.history()
        remains = {str(file) for file in self.folder.rglob(".part-*")}
        return (history.stored() - history.held()) | remains

    # --- what the reconciler finds ----------------------------------------------------------------------------------

    def leave_orphans(self) -> None:
        job_id = str(uuid4())
        self.artifacts.data.put(data_key("orphan", job_id), b"x")
        self.artifacts.states.put(state_key("orphan", job_id, 1, ".json"), b"x")

    def poison(self, series_id: str) -> tuple[str, str]:
        """A job whose workers died twice, and now a third time; and the job that waits behind it."""
        poison, following = self.fit(series_id), self.fit(series_id)
        with self.sessions.begin() as session:
            assert attempts.claim(session, poison, "doomed", 60)
            session.execute(
                text("UPDATE fit_jobs SET crashes = 2, lease_until = clock_timestamp() WHERE id = :id"), {"id": poison}
            )
        return poison, following
