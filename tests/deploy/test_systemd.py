"""docs/deploy/systemd: the units for several machines."""

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.images import ROOT

UNITS = sorted((ROOT / "docs/deploy/systemd").glob("*.service"))
EXECUTABLE = re.compile(r"^ExecStart=/opt/tsad/bin/python -m ([\w.]+)", re.MULTILINE)
each_unit = pytest.mark.parametrize("unit", UNITS, ids=[unit.stem for unit in UNITS])


def test_there_is_a_unit_for_each_process() -> None:
    assert [unit.stem for unit in UNITS] == ["tsad-api", "tsad-outbound", "tsad-reconciler", "tsad-worker"]


@each_unit
def test_a_unit_starts_a_module_of_the_package(unit: Path) -> None:
    (module,) = EXECUTABLE.findall(unit.read_text())
    assert importlib.util.find_spec(module)


@each_unit
@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_accepts_a_unit(unit: Path, tmp_path: Path) -> None:
    text = unit.read_text().replace("/opt/tsad/bin/python", sys.executable).replace("User=tsad", "User=root")
    (tmp_path / unit.name).write_text(text)
    command = ["systemd-analyze", "verify", str(tmp_path / unit.name)]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (process.returncode, process.stderr) == (0, "")
