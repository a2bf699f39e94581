"""docs/reference/cli.md, the command line."""

from api.cli.main import EXIT_CODES
from api.cli.verdicts import ANOMALY_FOUND, NOT_JUDGED
from tests.docs.markdown import rows, section
from tests.docs.reference import DOCUMENT, HEAD, reference


def test_the_reference_matches_the_help_of_the_commands() -> None:
    _, _, written = DOCUMENT.read_text().partition(HEAD)
    assert written == reference(), "run `.venv/bin/python -m tests.docs.reference`"


def test_every_exit_code_is_listed() -> None:
    documented = {int(code.strip("`")) for code, *_ in rows(section(DOCUMENT, "Exit codes"))}
    assert documented == {0, 130, ANOMALY_FOUND, NOT_JUDGED, *EXIT_CODES}
