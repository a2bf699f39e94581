"""`python3 run audit`: known vulnerabilities of what the lock names, patterns in our own code, and broken requirements.

What could not be asked, as without a network, is `not run`, which is neither passed nor failed.
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
LOCKS = ("requirements.lock", "requirements-dev.lock")
OURS = ("api", "worker", "shared", "migrations", "run")


class Verdict(StrEnum):
    """What came of a check."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_RUN = "not run"


Outcome = tuple[Verdict, str]


def vulnerabilities(lock: str) -> Outcome:
    """What pip-audit knows of the exact versions of a lock."""
    options = ("--require-hashes", "--disable-pip", f"--requirement={ROOT / lock}", "--format=json", "--timeout=10")
    return judged_audit(run("pip_audit", *options, "--progress-spinner=off"))


def judged_audit(run_: "subprocess.CompletedProcess[str]") -> Outcome:
    """Passed only if every package was looked up: one that the index does not tell of is not known to be good."""
    try:
        found: list[dict[str, Any]] = json.loads(run_.stdout)["dependencies"]
    except (ValueError, KeyError):
        last = run_.stderr.strip().splitlines()[-1:] or ["no answer"]
        return Verdict.NOT_RUN, f"the advisories cannot be reached: {last[0][:160]}"
    bad = [f"{one['name']} {one['version']}: {flaw['id']}" for one in found for flaw in one.get("vulns", ())]
    unknown = [one["name"] for one in found if "skip_reason" in one]
    if bad:
        return Verdict.FAILED, "; ".join(bad)
    if unknown or not found:
        return Verdict.NOT_RUN, f"no advisories are to be had for {len(unknown)} of {len(found)} packages"
    return Verdict.PASSED, f"{len(found)} packages"


def patterns() -> Outcome:
    """Bandit, from medium severity and confidence on. Ruff knows the lesser rules, and B704 as S704, with reasons."""
    done = run(
        "bandit", "--quiet", "--recursive", *OURS, "--severity-level=medium", "--confidence-level=medium", "--skip=B704"
    )
    return (Verdict.FAILED, done.stdout) if done.returncode else (Verdict.PASSED, f"{len(OURS)} places")


def requirements() -> Outcome:
    """Whether what is installed fits together."""
    done = run("pip", "check")
    if "No module named pip" in done.stderr:
        return Verdict.NOT_RUN, "there is no pip here"
    return (Verdict.FAILED, done.stdout) if done.returncode else (Verdict.PASSED, done.stdout.strip())


def run(module: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


CHECKS: dict[str, Callable[[], Outcome]] = {
    **{f"pip-audit {lock}": (lambda lock=lock: vulnerabilities(lock)) for lock in LOCKS},  # type: ignore[misc]
    "bandit": patterns,
    "pip check": requirements,
}


def main() -> int:
    """Run all of them; 1 when one failed, or when `--complete` is given and one was not run."""
    parser = argparse.ArgumentParser(prog="python3 run audit", description=__doc__)
    parser.add_argument("--complete", action="store_true", help="what is not run counts as failed")
    wrong = {Verdict.FAILED, Verdict.NOT_RUN} if parser.parse_args().complete else {Verdict.FAILED}
    failed = False
    for name, check in CHECKS.items():
        verdict, why = check()
        failed = failed or verdict in wrong
        print(f"{name:31} {verdict:8} {why}")  # noqa: T201
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
