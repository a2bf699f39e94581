"""The notebook in the documents, executed against the service."""

import json
from pathlib import Path
from typing import Any

import pytest

from tsad_client import Client

NOTEBOOK = Path(__file__).resolve().parents[2] / "docs/how-to/from-a-frame-to-alerts.ipynb"


def test_the_notebook_finds_the_outage_and_marks_one_alert_in_its_plot(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TSAD_URL", url)
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    variables: dict[str, Any] = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), variables)  # noqa: S102 - our own notebook
            assert (cell["outputs"], cell["execution_count"]) == ([], None)
    outage = variables["today"]["time"].iloc[-300]
    (alert,) = variables["alerts"]
    assert (alert.began_at, alert.peak.value) == (outage.timestamp(), 20)
    assert alert.quiet
    assert alert.sentence in capsys.readouterr().out
    assert [shape.x0.timestamp() for shape in variables["figure"].layout.shapes] == [alert.began_at]
    with Client(url) as client:
        assert client.list_series("notebook.") == []
