"""docs/how-to/add-a-detector.md, followed in a copy of the checkout."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.images import BEING_WRITTEN
from tests.docs.markdown import ROOT, blocks

RECIPE = ROOT / "docs/how-to/add-a-detector.md"
FILE = re.compile(r"Save this as `([\w/.]+)`")
NEEDED = ("api", "worker", "shared", "migrations", "tests", "pyproject.toml")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of what the contract tests need, with its compiled modules, and with the files of the recipe."""
    checkout = tmp_path_factory.mktemp("checkout")
    for name in NEEDED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, checkout / name, ignore=BEING_WRITTEN)
        else:
            shutil.copy2(ROOT / name, checkout / name)
    text = RECIPE.read_text()
    module, slow_reference, test = (block.content for block in blocks(text) if block.language == "python")
    for name, content in zip(FILE.findall(text), (module, test), strict=True):
        (checkout / name).write_text(content)
    add_slow_reference(checkout / "tests/naive.py", slow_reference)
    yield checkout
    shutil.rmtree(checkout)


def add_slow_reference(naive: Path, slow_reference: str) -> None:
    """Insert the slow reference where the recipe says."""
    place, following = "        case Robust() as state:\n", "from shared.domain.detectors.robust import"
    text = naive.read_text()
    if "Quartiles" in text:  # somebody has followed the recipe in this checkout
        return
    assert text.count(place) == text.count(following) == 1
    text = text.replace(following, f"from shared.domain.detectors.quartiles import Quartiles\n{following}")
    naive.write_text(text.replace(place, slow_reference + place))


def run(checkout: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", *arguments]
    result = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_detector_passes_its_test_and_every_contract_test(checkout: Path) -> None:
    run(checkout, "pytest", "tests/shared/domain", "--numprocesses=0", "--quiet", "-k=quartiles")


def test_its_files_pass_the_linter(checkout: Path) -> None:
    files = [*FILE.findall(RECIPE.read_text()), "tests/naive.py"]
    run(checkout, "ruff", "check", "--no-cache", *files)
    run(checkout, "ruff", "format", "--no-cache", "--check", *files)
