"""What is not known to be good is not passed."""

import json
import subprocess
from typing import Any

import pytest

from tests.audit import Verdict, judged_audit

GOOD = {"name": "a", "version": "1", "vulns": []}
BAD = {"name": "b", "version": "2", "vulns": [{"id": "CVE-1"}]}
UNKNOWN = {"name": "c", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        ([GOOD], Verdict.PASSED),
        ([GOOD, BAD], Verdict.FAILED),
        ([UNKNOWN, BAD], Verdict.FAILED),
        ([GOOD, UNKNOWN], Verdict.NOT_RUN),
        ([], Verdict.NOT_RUN),
    ],
)
def test_only_packages_that_were_all_looked_up_pass(found: list[dict[str, Any]], verdict: Verdict) -> None:
    said = subprocess.CompletedProcess([], 0, json.dumps({"dependencies": found}), "")
    assert judged_audit(said)[0] == verdict


def test_without_an_answer_nothing_passed() -> None:
    assert judged_audit(subprocess.CompletedProcess([], 1, "", "No connection\n"))[0] == Verdict.NOT_RUN
