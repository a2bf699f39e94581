"""`tsad apply`: from a file to watches and receivers, with the line of every mistake."""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.cli.documents import read_document
from shared.errors import InputError
from tests.cli.commands import Tsad
from tests.docs.markdown import ROOT, blocks

RECIPE = ROOT / "docs/how-to/configure-with-a-file.md"
FILE = """\
# Everything of one plant.
receivers:
  NAME:
    kind: webhook
    url_env: TSAD_RECEIVER_NAME

watches:
  NAME:
    prefix: NAME.
    silence: off
    open: {anomalies: 3, of: 5}
    notify:
      receivers: [NAME]
"""


@pytest.fixture
def file(tmp_path: Path, series_id: str) -> Path:
    path = tmp_path / "watch.yaml"
    path.write_text(FILE.replace("RECEIVER_NAME", "RECEIVER_ONE").replace("NAME", series_id))
    return path


def test_a_file_is_shown_applied_and_then_changes_nothing(
    tsad: Tsad, api: httpx.Client, file: Path, series_id: str
) -> None:
    planned = tsad("apply", str(file), "--dry-run")
    assert planned.code == 0, planned.err
    assert planned.out.splitlines() == [
        f"+ receiver {series_id}",
        "    kind: webhook",
        "    url_env: TSAD_RECEIVER_ONE",
        f"+ watch {series_id}",
        f"    prefix: {series_id}.",
        "    silence: off",
        "    open.anomalies: 3",
        "    open.of: 5",
        f"    notify.receivers: {series_id}",
    ]
    assert "Dry run, nothing was changed: 2 created" in planned.err
    assert api.get(f"/watches/{series_id}").status_code == 404
    applied = tsad("apply", str(file))
    assert applied.out == planned.out
    assert "not shown again: whsec_" in applied.err
    assert api.get(f"/watches/{series_id}").json()["silence"] == "off"
    again = tsad("apply", "-", stdin=file.read_text())
    assert (again.code, again.out) == (0, "")
    assert " unchanged" in again.err
    file.write_text(file.read_text().replace("anomalies: 3", "anomalies: 4").replace("    silence: off\n", ""))
    assert tsad("apply", str(file)).out.splitlines() == [
        f"~ watch {series_id}",
        "    open.anomalies: 3 → 4",
        "    silence: off → auto",
    ]
    (receiver, watch) = [change for change in tsad("apply", str(file), "--json").answers if change["name"] == series_id]
    assert (receiver["action"], watch["action"], watch["after"]["open"]["of"]) == ("keep", "keep", 5)


def test_the_example_in_the_documents_prints_what_they_show(tsad: Tsad, series_id: str) -> None:
    text = re.sub(r"(?m)^   ", "", RECIPE.read_text()).replace("oncall", series_id)
    text = re.sub(r"plant7(?!\.silence)", series_id, text)
    example, _, shown, *_ = (block.content for block in blocks(text))
    planned = tsad("apply", "-", "--dry-run", stdin=example)
    summary = planned.err.splitlines()[-1].partition(",")[0]  # other tests have objects, too
    assert shown.startswith(planned.out + summary)
    assert shown.endswith(": 2 created.\n")
    wrong = tsad("apply", "-", stdin=example.replace("10m", "soon"))
    assert wrong.err.strip().replace("standard input", "watch.yaml").replace(series_id, "plant7") in RECIPE.read_text()


def test_what_the_file_does_not_name_is_kept_and_deleted_only_with_prune(
    tsad: Tsad, file: Path, series_id: str
) -> None:
    tsad("apply", str(file))
    other = f"watches: {{{series_id}-2: {{prefix: {series_id}-2.}}}}"
    kept = tsad("apply", "-", "--dry-run", stdin=other)
    assert f"watch {series_id}" in kept.err
    assert "--prune deletes them" in kept.err
    pruned = tsad("apply", "-", "--dry-run", "--prune", stdin=other)
    assert f"- watch {series_id}\n" in pruned.out
    file.write_text(other)
    refused = tsad("apply", str(file), "--prune", stdin="n\n")
    assert refused.code == 1
    assert f"watch {series_id}" in refused.err
    assert tsad("watches", "show", series_id).code == 0


def test_every_mistake_is_named_with_its_line(tsad: Tsad, file: Path, series_id: str) -> None:
    lines = file.read_text().replace("of: 5", "of: 2").replace("silence: off", "silence: soon\n    mood: 1")
    file.write_text(lines)
    wrong = tsad("apply", str(file))
    assert wrong.code == 2
    assert [line for line in wrong.err.splitlines() if line] == [
        f"{file}:10: watches.{series_id}.silence must be auto, off, or a duration from 1s to 366d, as in 10m.",
        f"{file}:11: watches.{series_id}.mood is unknown.",
        f"{file}:12: watches.{series_id}.open.anomalies must not exceed open.of, which is 2.",
    ]
    file.write_text(f"watches:\n  {series_id}:\n    prefix: {series_id}\n    notify: {{receivers: [nobody]}}\n")
    assert (
        f"{file}:4: watches.{series_id}.notify.receivers names unknown receivers: nobody "
        "(GET /receivers lists those that exist)." in tsad("apply", str(file)).err
    )
    assert "cannot be read: No such file" in tsad("apply", "no.yaml").err


def test_a_mistake_in_a_list_is_named_with_the_line_of_its_item(tsad: Tsad) -> None:
    source = "sources:\n  a:\n    kind: prometheus\n    url_env: TSAD_SOURCE_A\n    queries:\n"
    queries = "".join(f"      - query: up\n        id_template: '{template}'\n" for template in ("{job}", "{job"))
    wrong = tsad("apply", "-", "--dry-run", stdin=source + queries)
    assert "standard input:9: sources.a.queries.1.id_template" in wrong.err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "standard input has no section"),
        ("- a", "standard input has no section"),
        ("watches:", "standard input:1: watches must have names"),
        ("watches:\n\ta: {}", "cannot start any token. Indent with spaces, not with tabs."),
        ("watches:\n  a:\n", "standard input:2: watches.a has no fields"),
        ("watch: {a: {prefix: a}}", "standard input:1: watch is unknown; sections are receivers, watches, sources"),
    ],
)
def test_a_file_without_meaning_is_refused(tsad: Tsad, content: str, message: str) -> None:
    result = tsad("apply", "-", "--dry-run", stdin=content)
    assert result.code == 2
    assert message in result.err


@pytest.mark.parametrize(
    ("content", "value"),
    [
        ("[off, no, 12:30, 2026-01-01, 1_000]", ["off", "no", "12:30", "2026-01-01", "1_000"]),
        ("[true, null, ~, -1, 010, 0x10, 1.5, 1e3, .5]", [True, None, None, -1, 10, 16, 1.5, 1000.0, 0.5]),
        ("a: &x {p: 1, q: 1}\nb: {<<: *x, q: 2}", {"a": {"p": 1, "q": 1}, "b": {"p": 1, "q": 2}}),
        ("a: &x {p: 1}\nb: {q: 3, <<: [{p: 4}, *x]}", {"a": {"p": 1}, "b": {"q": 3, "p": 4}}),
        ('{"json": ["is", "YAML"]}', {"json": ["is", "YAML"]}),
    ],
)
def test_scalars_are_those_of_yaml_1_2(content: str, value: Any) -> None:
    assert read_document("f", content).value == value


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: 1\nb: 2\na: 3", "f:3: a is given twice: the other is in line 1."),
        ("a:\n  url: https://x/${TOKEN}", r"f:2: a.url has ${TOKEN}, but variables are not replaced"),
        ("a: !secret b", "f:1: a has the tag !secret, which is not supported."),
        ("a: !!int b", "f:1: a is not a valid value of the tag"),
        ("a: 1e999", "f:1: a is too large a number."),
        ("a: [1\nb: 2", "f:2: This is not valid YAML:"),
        ("a: 1\n---\na: 2", "f:2: This is not valid YAML:"),
        ("a: \x00", "f is not valid YAML"),
        ("? [a]\n: b", "f:1: the file has a key that is not text."),
        ("a: &a [*a]", "makes the file endless, or too long"),
        ("a: {<<: 1}", "f:1: a merges what has no fields"),
        ("a: &a {<<: *a}", "makes the file endless, or too long"),
        ("a0: &a0 [1]\n" + "".join(f"a{n}: &a{n} [{f'*a{n - 1}, ' * 9}]\n" for n in range(1, 9)), "too long"),
        ("[" * 3_000, "f is nested too deeply"),
    ],
)
def test_what_cannot_be_meant_is_an_error_with_its_line(content: str, message: str) -> None:
    with pytest.raises(InputError) as raised:
        read_document("f", content)
    assert message in raised.value.detail
