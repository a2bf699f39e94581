"""Read Dockerfiles, and reproduce the files and packages of an image or a wheel without Docker or a package index."""

import json
import re
import shlex
import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILES = ("Dockerfile.api", "Dockerfile.worker")
BEING_WRITTEN = shutil.ignore_patterns("*.pyc.*")  # compiled modules, by other processes of the tests
REQUIREMENTS = re.compile(r"--requirement=(\S+)")

Instructions = list[tuple[str, str]]


@dataclass
class Image:
    """The image of a build target, as far as the Dockerfiles of this project need."""

    environment: dict[str, str] = field(default_factory=dict)
    copied: list[tuple[str, str]] = field(default_factory=list)  # (path in the build context, destination)
    installed: list[str] = field(default_factory=list)  # requirement files
    folder: str = "/"
    user: str = "root"
    command: list[str] = field(default_factory=list)
    healthcheck: list[str] = field(default_factory=list)
    stop_signal: str = ""
    is_compiled: bool = False

    def unpack(self, target: Path) -> None:
        """Copy the files of the image below the target folder, and compiled modules if it has them."""
        ignored = BEING_WRITTEN if self.is_compiled else shutil.ignore_patterns("__pycache__")
        for source, destination in self.copied:
            place = target / destination.lstrip("/")
            if destination.endswith("/"):
                place /= source
            place.parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, place, ignore=ignored)
            else:
                shutil.copy2(ROOT / source, place)


def image(dockerfile: str, target: str) -> Image:
    """Return the image that `docker build --file=… --target=…` builds."""
    return image_of(stages(dockerfile), target)


def image_of(parts: dict[str, Instructions], target: str) -> Image:
    image = Image()
    for name, value in inherited(parts, target):
        apply(image, parts, name, value)
    return image


def apply(image: Image, parts: dict[str, Instructions], name: str, value: str) -> None:
    match name:
        case "ENV":
            for setting in shlex.split(value):
                variable, _, content = setting.partition("=")
                image.environment[variable] = content
        case "WORKDIR":
            image.folder = value
        case "USER":
            image.user = value
        case "STOPSIGNAL":
            image.stop_signal = value
        case "CMD":
            image.command = json.loads(value)
        case "HEALTHCHECK":
            image.healthcheck = json.loads(value.partition("CMD ")[2])
        case "RUN":
            image.installed += REQUIREMENTS.findall(value)
            image.is_compiled |= "-m compileall" in value
        case "COPY":
            copy(image, parts, value.split())


def copy(image: Image, parts: dict[str, Instructions], arguments: list[str]) -> None:
    *sources, destination = [argument for argument in arguments if not argument.startswith("--")]
    stage = next((argument.removeprefix("--from=") for argument in arguments if argument.startswith("--from=")), None)
    if stage:  # only installed packages are copied between stages
        image.installed += image_of(parts, stage).installed
    else:
        place = str(Path(image.folder, destination)) + "/" * destination.endswith("/")
        image.copied += [(source, place) for source in sources]


def stages(dockerfile: str) -> dict[str, Instructions]:
    """Return the stages by name, each starting with its FROM."""
    by_name: dict[str, Instructions] = {}
    for name, value in instructions(dockerfile):
        if name == "FROM":
            by_name[value.split(" AS ")[1]] = []
        list(by_name.values())[-1].append((name, value))
    return by_name


def instructions(dockerfile: str) -> Iterator[tuple[str, str]]:
    lines = (ROOT / dockerfile).read_text().splitlines()
    text = "\n".join(line for line in lines if line and not line.startswith("#"))
    for line in text.replace("\\\n", " ").splitlines():
        name, _, value = line.partition(" ")
        yield name, " ".join(value.split()) if name != "CMD" else value


def inherited(parts: dict[str, Instructions], target: str) -> Instructions:
    (_, origin), *rest = parts[target]
    base = origin.split(" AS ")[0]
    return inherited(parts, base) + rest if base in parts else rest


def make_environment(folder: Path, lock: str) -> None:
    """Create a virtual environment with exactly the packages of a lock, without this checkout."""
    link_packages(folder, re.findall(r"^([\w.-]+)==", (ROOT / lock).read_text(), re.MULTILINE))


def link_packages(folder: Path, packages: Iterable[str]) -> None:
    """Create a virtual environment with exactly these of the packages that are installed here."""
    venv.EnvBuilder(symlinks=True).create(folder)
    site = folder / f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
    names = set(map(canonical, packages))
    for distribution in distributions():
        if canonical(distribution.name) in names:
            for top in {file.parts[0] for file in distribution.files or ()} - {".."}:
                if not (site / top).exists():
                    (site / top).symlink_to(str(distribution.locate_file(top)))


def build_wheel(folder: Path, project: Path = ROOT) -> Path:
    """Build the wheel of a project that a release publishes."""
    command = [sys.executable, "-m", "hatchling", "build", "--target=wheel", f"--directory={folder}"]
    subprocess.run(command, cwd=project, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def install_wheel(folder: Path) -> Path:
    """Install the wheel and what it needs into a virtual environment without this checkout; return its Python."""
    make_environment(folder / "venv", "requirements-local.lock")
    with zipfile.ZipFile(build_wheel(folder)) as wheel:
        wheel.extractall(next((folder / "venv/lib").glob("python*/site-packages")))
    return folder / "venv/bin/python"


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
