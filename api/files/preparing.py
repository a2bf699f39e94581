"""Text before it is split into cells: line ends, comments, the `sep=` line of Excel, and other formats."""

import re
from dataclasses import dataclass, field

from api.files.choices import Choices
from api.files.table import invalid
from shared.wording import counted

# Excel writes errors such as #N/A into cells.
_COMMENT = re.compile(r"^[ \t]*(?:#(?!(?:REF|DIV/0|VALUE|NUM|NULL|N/A|NAME\?)[!;,\t|]?)|//).*$", re.MULTILINE)
_LINE_PROTOCOL = re.compile(r'[^\s,=]+(?:,[^\s,=]+=[^\s,=]+)* [^\s=,]+=(?:[-\d.]+i?|"[^"]*"|\w+)[^\n]*(?: \d{10,19})?')
_EXPOSITION = re.compile(r"[a-zA-Z_:][\w:]*\{[^}]*\} [-+\d.eEnaNif]+(?: \d+)?")


@dataclass
class Text:
    """The lines to parse; skipped lines are blank, so that rows keep their numbers."""

    body: str
    name: str
    delimiter: str | None = None  # stated by the user or the file
    comments: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    ends_with_newline: bool = True
    has_commas: bool = False


def prepare(content: str, choices: Choices, name: str) -> Text:
    """Prepare text; raise `InputError` if it is in a format that is not a table."""
    body = content.replace("\r\n", "\n").replace("\r", "\n")
    text = Text(body, name, choices.delimiter)
    if choices.skip_rows:
        lines = body.split("\n", choices.skip_rows)
        if len(lines) <= choices.skip_rows:
            raise invalid(f"{name} has only {counted(len(lines), 'row')}, but --skip-rows is {choices.skip_rows}.")
        text.body = "\n" * choices.skip_rows + lines[-1]
    first = text.body.lstrip().partition("\n")[0].strip()
    _refuse_other_formats(first, name)
    if separator := re.fullmatch(r'"?sep=(.|\\t)"?', first):
        text.delimiter = choices.delimiter or separator[1].replace("\\t", "\t")
        text.body = re.sub(r'"?sep=[^\n]*', "", text.body, count=1)
    if "#" in text.body or "//" in text.body:
        _blank_comments(text)
    text.ends_with_newline = text.body.endswith("\n")
    text.has_commas = text.delimiter == ","
    return text


def _blank_comments(text: Text) -> None:
    found = [match[0].strip() for match in _COMMENT.finditer(text.body)]
    if found:
        text.body = _COMMENT.sub("", text.body)
        text.comments = found[:50]
        text.notes.append(f"skipped {counted(len(found), 'comment line')}")


def _refuse_other_formats(first: str, name: str) -> None:
    if first.startswith("<"):
        raise invalid(f"{name} is XML or HTML. Export the points as CSV or JSON.")
    if _EXPOSITION.fullmatch(first) or first.startswith(("# HELP ", "# TYPE ")):
        raise invalid(f"{name} has Prometheus metrics of one moment. Export a range of time, with query_range.")
    if _LINE_PROTOCOL.fullmatch(first):
        raise invalid(f"{name} is InfluxDB line protocol. Export the points as CSV or JSON.")
