"""The recipes of docs/how-to/tell-somebody.md."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.docs.markdown import ROOT, blocks

PAGE = ROOT / "docs/how-to/tell-somebody.md"


def test_alertmanager_accepts_the_configuration(tmp_path: Path) -> None:
    amtool = shutil.which("amtool")
    if amtool is None:
        assert not os.environ.get("CI"), "install prometheus-alertmanager"
        pytest.skip("amtool is not installed")
    (configuration,) = [block.content for block in blocks(PAGE.read_text()) if block.language == "yaml"]
    file = tmp_path / "alertmanager.yml"
    file.write_text(configuration)
    checked = subprocess.run([amtool, "check-config", file], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
