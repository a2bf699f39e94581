"""`python3 run audit`: known vulnerabilities in locked packages, unsafe patterns in our code, broken requirements.

A check that cannot run, for example without a network, counts as `not run`: neither passed nor failed.
"""

import argparse
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ("requirements.lock", "requirements-local.lock", "requirements-dev.lock")
OURS = ("api", "worker", "shared", "migrations", "run")


class Verdict(StrEnum):
    """The result of a check."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_RUN = "not run"


Outcome = tuple[Verdict, str]


def vulnerabilities(lock: str) -> Outcome:
    """Ask pip-audit about the exact versions in a lock."""
    options = ("--require-hashes", "--disable-pip", f"--requirement={ROOT / lock}", "--format=json", "--timeout=10")
    return judged_audit(run("pip_audit", *options, "--progress-spinner=off"))


def judged_audit(run_: "subprocess.CompletedProcess[str]") -> Outcome:
    """Pass only if every package was looked up: a package missing from the index may be vulnerable."""
    try:
        packages: list[dict[str, Any]] = json.loads(run_.stdout)["dependencies"]
    except (ValueError, KeyError):
        last = run_.stderr.strip().splitlines()[-1:] or ["no answer"]
        return Verdict.NOT_RUN, f"advisories unavailable: {last[0][:160]}"
    vulnerable = [
        f"{package['name']} {package['version']}: {flaw['id']}"
        for package in packages
        for flaw in package.get("vulns", ())
    ]
    unknown = [package["name"] for package in packages if "skip_reason" in package]
    if vulnerable:
        return Verdict.FAILED, "; ".join(vulnerable)
    if unknown or not packages:
        return Verdict.NOT_RUN, f"no advisories available for {len(unknown)} of {len(packages)} packages"
    return Verdict.PASSED, f"{len(packages)} packages"


def patterns() -> Outcome:
    """Run bandit from medium severity and confidence up. Ruff covers the rest, and checks B704 as S704."""
    result = run(
        "bandit", "--quiet", "--recursive", *OURS, "--severity-level=medium", "--confidence-level=medium", "--skip=B704"
    )
    return (Verdict.FAILED, result.stdout) if result.returncode else (Verdict.PASSED, f"{len(OURS)} paths")


def requirements() -> Outcome:
    """Check that the requirements of the installed packages are installed, except those that we override."""
    result = run("pip", "check")
    if "No module named pip" in result.stderr:
        return Verdict.NOT_RUN, "pip is not installed"
    overrides = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["override-dependencies"]
    names = [re.split(r"[^\w.-]", override)[0] for override in overrides]
    lines = [
        line for line in result.stdout.splitlines() if not any(f" has requirement {name}" in line for name in names)
    ]
    broken = result.returncode and lines
    return (Verdict.FAILED, "\n".join(broken)) if broken else (Verdict.PASSED, f"overridden: {', '.join(names)}")


def run(module: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


CHECKS: dict[str, Callable[[], Outcome]] = {
    **{f"pip-audit {lock}": (lambda lock=lock: vulnerabilities(lock)) for lock in LOCKS},  # type: ignore[misc]
    "bandit": patterns,
    "pip check": requirements,
}


def main() -> int:
    """Run every check; return 1 if one failed or, with `--complete`, could not run."""
    parser = argparse.ArgumentParser(prog="python3 run audit", description=__doc__)
    parser.add_argument("--complete", action="store_true", help="count checks that could not run as failed")
    failing = {Verdict.FAILED, Verdict.NOT_RUN} if parser.parse_args().complete else {Verdict.FAILED}
    failed = False
    for name, check in CHECKS.items():
        verdict, detail = check()
        failed = failed or verdict in failing
        print(f"{name:31} {verdict:8} {detail}")  # noqa: T201
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
