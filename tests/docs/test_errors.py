"""docs/reference/errors.md, the catalog of errors."""

from api.problems import STATUS
from shared.errors import Code
from tests.docs.markdown import ROOT, rows

CATALOG = ROOT / "docs/reference/errors.md"
IN_JOBS = "in a job"
ON_THE_COMMAND_LINE = "exit code"
NEVER_ANSWERED = {
    Code.FIT_FAILED: IN_JOBS,
    Code.FIT_TIMEOUT: IN_JOBS,
    Code.OUT_OF_MEMORY: IN_JOBS,
    Code.WORKER_LOST: IN_JOBS,
    Code.CONFIGURATION: ON_THE_COMMAND_LINE,
    Code.START_FAILED: ON_THE_COMMAND_LINE,
    Code.API_UNREACHABLE: ON_THE_COMMAND_LINE,
}


def test_every_code_is_listed_once_with_its_status() -> None:
    documented = [(cells[0].strip("`"), cells[1]) for cells in rows(CATALOG.read_text())]
    expected = [(str(code), NEVER_ANSWERED.get(code, str(STATUS[code][0]))) for code in Code]
    assert sorted(documented) == sorted(expected)


def test_every_code_lists_when_it_occurs_and_what_to_do() -> None:
    for cells in rows(CATALOG.read_text()):
        assert len(cells) == 4, cells
        assert all(cells), cells
