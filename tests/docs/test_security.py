"""docs/explanation/security.md: the tests that it names exist."""

import re

from tests.docs.markdown import ROOT, code, rows

SECURITY = ROOT / "docs/explanation/security.md"
TESTS = {
    name
    for file in ROOT.glob("tests/**/*.py")
    for name in re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE)
}


def test_every_test_that_is_named_exists() -> None:
    named = {name for name in code(SECURITY.read_text()) if name.startswith("test_")}
    assert len(named) > 20
    assert named - TESTS == set()


def test_every_threat_has_a_control_and_a_test() -> None:
    threats = list(rows(SECURITY.read_text().partition("## Threats, controls, tests")[2].partition("\n## ")[0]))
    assert len(threats) > 20
    for threat, control, proof in threats:
        assert threat
        assert control
        assert any(name.startswith(("test_", "tests/")) for name in code(proof)), threat


def test_every_risk_in_the_owasp_list_has_a_row() -> None:
    owasp_section = SECURITY.read_text().partition("## OWASP API Security Top 10 (2023)")[2].partition("\n## ")[0]
    assert [cells[0].split()[0] for cells in rows(owasp_section)] == [f"API{number}" for number in range(1, 11)]
