"""The wheel of the Python client, which needs nothing of the service."""

import subprocess
import zipfile
from collections.abc import Iterator
from email import message_from_string
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.deploy.images import ROOT, build_wheel, canonical, link_packages

CLIENT = ROOT / "api/client"
PROGRAM = """
import sys, tsad_client
with tsad_client.Client("http://127.0.0.1:1", patience=tsad_client.Patience(0, 0)) as client:
    try:
        client.detectors()
    except tsad_client.UnreachableError:
        print(tsad_client.__version__, {"fastapi", "numpy", "pandas", "shared", "api"} & set(sys.modules))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("client-dist"), CLIENT)


def metadata(wheel: Path) -> dict[str, list[str]]:
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        message = message_from_string(archive.read(name).decode())
    return {key: message.get_all(key, []) for key in message}


def needed(requirements: list[str]) -> Iterator[str]:
    """The packages that these requirements install here, with what they need."""
    for requirement in map(Requirement, requirements):
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield canonical(requirement.name)
            yield from needed(requires(requirement.name) or [])


def test_the_wheel_has_the_package_with_its_types_and_nothing_else(wheel: Path) -> None:
    files = {
        str(file.relative_to(CLIENT))
        for file in (CLIENT / "tsad_client").rglob("*")
        if "__pycache__" not in file.parts and file.is_file()
    }
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == files
    assert "tsad_client/py.typed" in names
    fields = metadata(wheel)
    assert fields["Name"] == ["tsad-client"]
    assert {Requirement(line).name for line in fields["Requires-Dist"]} == {"httpx", "msgspec", "narwhals"}


def test_the_wheel_works_in_an_environment_with_only_what_it_requires(wheel: Path, tmp_path: Path) -> None:
    link_packages(tmp_path / "venv", needed(metadata(wheel)["Requires-Dist"]))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(next((tmp_path / "venv/lib").glob("python*/site-packages")))
    python = tmp_path / "venv/bin/python"
    result = subprocess.run([python, "-I", "-c", PROGRAM], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.stdout == f"{metadata(wheel)['Version'][0]} set()\n", result.stderr
