"""`tsad demo` as a separate process."""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from api import samples
from tests.deploy.images import install_wheel


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tsad-test-") as name:
        Path(name).chmod(0o711)  # as root, the servers run as another user
        yield Path(name)


def demo(folder: Path, *arguments: str, python: str | Path = sys.executable) -> "subprocess.CompletedProcess[str]":
    clean = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    return subprocess.run(
        [python, "-P", "-m", "api.cli.main", "demo", *arguments],
        env={**clean, "TMPDIR": str(folder), "COLUMNS": "200"},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_demo_of_an_installed_wheel_fits_scores_plots_and_watches_real_series_and_leaves_only_pages(
    folder: Path, tmp_path: Path
) -> None:
    result = demo(folder, "--output=page.html", python=install_wheel(tmp_path))
    assert result.returncode == 0, result.stdout + result.stderr
    for part in ("new-york-temperature", "seattle-wind", "anomaly", "normal", "2 series fitted", "page.html"):
        assert part in result.stdout
    for incident in ("New York City Marathon", "Thanksgiving", "Christmas", "New Year", "blizzard"):
        assert re.search(rf"alert 201\d-\d\d-\d\d \({incident}[^)]*\): [\d,]+ passengers", result.stdout), result.stdout
    assert result.stdout.count("over: ") == 5, "an incident was no alert, an alert did not end, or another one opened"
    alert = (folder / "page-alert.html").read_text()
    assert "new-york-taxi" in alert
    assert "Closed" in alert
    page = (folder / "page.html").read_text()
    assert samples.NAMES[0] in page
    for saved in (page, alert):
        assert not re.findall(r'(?:src|srcset|href)="\.', saved[: saved.index("<script")]), "it refers to other files"
    assert page.count("<script>") == 2
    assert page.count('<script type="module">') == 1
    assert sorted(path.name for path in folder.iterdir()) == ["page-alert.html", "page.html"]


@pytest.mark.parametrize("output", ["no/such/folder/page.html", "."])
def test_an_unwritable_page_is_an_error_before_anything_starts(folder: Path, output: str) -> None:
    result = demo(folder, f"--output={output}")
    assert result.returncode == 2
    assert result.stdout == ""
    assert "--output" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert list(folder.iterdir()) == []
