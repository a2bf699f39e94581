"""The programs in the client's README run and print what a reader expects."""

from typing import Any

import pytest

from tests.docs.markdown import ROOT, blocks
from tsad_client import Client

README = ROOT / "api/client/README.md"
PRINTED = ("1 20.0", "35 is outside the normal band of 14 to 26", "35.0     True    2.5", "[]", "series_not_found True")


def test_the_programs_run_one_after_another(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    programs = [block.content for block in blocks(README.read_text()) if block.language == "python"]
    variables: dict[str, Any] = {}
    for program in programs:
        changed = program.replace("http://127.0.0.1:8000", url).replace('"boiler', '"client-boiler')
        exec(changed.replace('"plant', '"client-plant'), variables)  # noqa: S102 - our own README
    with Client(url) as client:
        client.delete_watch("client-plant")
        for name in ("client-boiler", "client-plant.pump3"):
            client.delete_series(name)
    assert len(programs) == 6
    output = capsys.readouterr().out
    assert [text for text in PRINTED if text not in output] == []
