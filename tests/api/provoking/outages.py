"""Errors of requests that meet damage, slowness or an outage."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from api.routes import sources
from shared.embedded.ports import free_port
from shared.errors import Code
from shared.fitting import accepting
from tests.api.provoking.scene import POINT, Scene, Send
from tests.points import ramp
from worker.training import run


def outbound_silent(scene: Scene) -> httpx.Response:
    document = {"kind": "prometheus", "url": "https://a.example", "queries": [{"query": "up", "id_template": "{job}"}]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "TEST_WITHIN_S", 0.2)
        return scene.api.post("/sources/s/test", json=document)


def no_database(scene: Scene) -> httpx.Response:
    with scene.serving(database_url=f"postgresql://x@127.0.0.1:{free_port()}/x") as api:
        return api.get("/series")


def no_store(scene: Scene) -> httpx.Response:
    with scene.serving(training_data_folder=Path(__file__)) as api:
        return api.post("/fit/a", json=ramp())


def too_late(scene: Scene) -> httpx.Response:
    with scene.serving(accept_window_s=1e-6) as api:
        return api.post("/fit/late", json=ramp())


def outcome_unknown(scene: Scene) -> httpx.Response:
    """Lock the series and keep ending connections that wait for it until the API stops retrying."""
    end_waiting = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tsad-api' "
        "AND datname = current_database() AND wait_event = 'advisory'"
    )
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(1) as pool, scene.sessions.begin() as lock:
        patch.setattr(accepting, "COMMIT_RETRY_S", 1.0)
        lock.execute(text("SELECT pg_advisory_xact_lock(8243, hashtext('unknown'))"))
        future = pool.submit(scene.api.post, "/fit/unknown", json=ramp())
        while not future.done():
            with scene.sessions.begin() as session:
                session.execute(end_waiting)
            threading.Event().wait(0.02)
        return future.result()


def damaged(scene: Scene) -> httpx.Response:
    run(scene.training, scene.fit("damaged", points=43))
    for state in Path(scene.settings.model_state_folder, "damaged").iterdir():
        state.unlink()
    return scene.api.post("/predict/damaged", json=POINT)


REQUESTS: dict[Code, Send] = {
    Code.OUTBOUND_SILENT: outbound_silent,
    Code.DATABASE_UNAVAILABLE: no_database,
    Code.STORE_UNAVAILABLE: no_store,
    Code.ACCEPT_TOO_LATE: too_late,
    Code.OUTCOME_UNKNOWN: outcome_unknown,
    Code.ARTIFACT_DAMAGED: damaged,
}
