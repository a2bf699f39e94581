"""The notebook, executed against the API with a few calls."""

from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import httpx
import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode
from traitlets.config import Config

from worker.training import Training, run

NOTEBOOK = Path(__file__).resolve().parents[2] / "benchmark/benchmark_stress.ipynb"
SETTINGS = {"WORKERS": "2", "FIT_CALLS": "4", "PREDICT_CALLS": "6", "SERIES": "2", "POINTS": "20"}
SHOWN = ("fit accepted", "fit published", "prediction")


@pytest.fixture
def worker(api: httpx.Client, training: Training) -> Iterator[None]:
    """A worker that fits the series of the notebook."""
    finished = Event()

    def work() -> None:
        while not finished.wait(0.05):
            for series_id in ("stress-0", "stress-1"):
                for job in api.get("/jobs", params={"series_id": series_id, "status": "queued"}).json()["jobs"]:
                    run(training, job["job_id"])

    thread = Thread(target=work)
    thread.start()
    yield
    finished.set()
    thread.join()


@pytest.mark.usefixtures("worker")
def test_the_notebook_runs_against_the_service_and_removes_what_it_wrote(
    api: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ({"BASE_URL": str(api.base_url)} | SETTINGS).items():
        monkeypatch.setenv(name, value)
    notebook = nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]
    # Another process may take a TCP port before the kernel listens on it.
    no_ports = Config(KernelManager={"transport": "ipc"})
    NotebookClient(notebook, timeout=60, config=no_ports).execute()
    texts = [output["text"] for output in outputs(notebook) if output["output_type"] == "stream"]
    output = "".join(texts)
    for name in SHOWN:
        assert f"{name} {{'min': " in output
    charts = [output for output in outputs(notebook) if output["output_type"] == "display_data"]
    assert len(charts) == 2 * len(SHOWN)
    assert api.get("/series", params={"prefix": "stress-"}).json()["series"] == []


def test_the_notebook_is_committed_without_outputs() -> None:
    assert outputs(nbformat.read(NOTEBOOK, as_version=4)) == []  # type: ignore[no-untyped-call]


def outputs(notebook: NotebookNode) -> list[NotebookNode]:
    return [output for cell in notebook["cells"] for output in cell.get("outputs", ())]
