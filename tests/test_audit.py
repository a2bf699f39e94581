"""The audit passes a package only if its advisories are known."""

import json
import subprocess
from typing import Any

import pytest

from tests.audit import Verdict, judged_audit

GOOD = {"name": "a", "version": "1", "vulns": []}
BAD = {"name": "b", "version": "2", "vulns": [{"id": "CVE-1"}]}
UNKNOWN = {"name": "c", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("packages", "verdict"),
    [
        ([GOOD], Verdict.PASSED),
        ([GOOD, BAD], Verdict.FAILED),
        ([UNKNOWN, BAD], Verdict.FAILED),
        ([GOOD, UNKNOWN], Verdict.NOT_RUN),
        ([], Verdict.NOT_RUN),
    ],
)
def test_the_audit_passes_only_if_every_package_was_looked_up(packages: list[dict[str, Any]], verdict: Verdict) -> None:
    pip_audit = subprocess.CompletedProcess([], 0, json.dumps({"dependencies": packages}), "")
    assert judged_audit(pip_audit)[0] == verdict


def test_without_a_response_nothing_passes() -> None:
    assert judged_audit(subprocess.CompletedProcess([], 1, "", "No connection\n"))[0] == Verdict.NOT_RUN
