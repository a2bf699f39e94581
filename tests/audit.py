"""`python3 run audit`: known vulnerabilities in locked packages, unsafe patterns in our code, broken requirements.

A check that cannot run, for example without a network, is `not run`: neither passed nor failed.
"""

import argparse
import json
import subprocess
import sys
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
    """Pass only if every package was looked up: a package that the index does not know may be vulnerable."""
    try:
        packages: list[dict[str, Any]] = json.loads(run_.stdout)["dependencies"]
    except (ValueError, KeyError):
        last = run_.stderr.strip().splitlines()[-1:] or ["no answer"]
        return Verdict.NOT_RUN, f"the advisories cannot be reached: {last[0][:160]}"
    vulnerable = [
        f"{package['name']} {package['version']}: {flaw['id']}"
        for package in packages
        for flaw in package.get("vulns", ())
    ]
    unknown = [package["name"] for package in packages if "skip_reason" in package]
    if vulnerable:
        return Verdict.FAILED, "; ".join(vulnerable)
    if unknown or not packages:
        return Verdict.NOT_RUN, f"no advisories are to be had for {len(unknown)} of {len(packages)} packages"
    return Verdict.PASSED, f"{len(packages)} packages"


def patterns() -> Outcome:
    """Bandit, from medium severity and confidence on. Ruff knows the lesser rules, and B704 as S704, with reasons."""
    result = run(
        "bandit", "--quiet", "--recursive", *OURS, "--severity-level=medium", "--confidence-level=medium", "--skip=B704"
    )
    return (Verdict.FAILED, result.stdout) if result.returncode else (Verdict.PASSED, f"{len(OURS)} places")


def requirements() -> Outcome:
    """Whether the installed packages have what they require."""
    result = run("pip", "check")
    if "No module named pip" in result.stderr:
        return Verdict.NOT_RUN, "there is no pip here"
    return (Verdict.FAILED, result.stdout) if result.returncode else (Verdict.PASSED, result.stdout.strip())


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
    parser.add_argument("--complete", action="store_true", help="what is not run counts as failed")
    failing = {Verdict.FAILED, Verdict.NOT_RUN} if parser.parse_args().complete else {Verdict.FAILED}
    failed = False
    for name, check in CHECKS.items():
        verdict, detail = check()
        failed = failed or verdict in failing
        print(f"{name:31} {verdict:8} {detail}")  # noqa: T201
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
