"""The sections, fenced blocks and tables of the documents."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
DOCUMENTS += [ROOT / "api/client/README.md", *sorted(ROOT.glob("docs/**/*.md"))]

_FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<content>.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block."""

    language: str
    content: str


def section(document: Path, title: str) -> str:
    """The text below a heading of the second level, up to the next."""
    _, heading, rest = document.read_text().partition(f"\n## {title}\n")
    assert heading, f"{document.name} has no section {title!r}"
    return rest.partition("\n## ")[0]


def blocks(text: str) -> list[Block]:
    """The fenced blocks of a text, in order."""
    return [Block(match["language"], match["content"]) for match in _FENCE.finditer(text)]


def without_blocks(text: str) -> str:
    """The text without fenced blocks."""
    return _FENCE.sub("", text)


def rows(text: str) -> Iterator[list[str]]:
    """The rows of all tables, without their heads."""
    lines = text.splitlines()
    for previous, line in zip(["", *lines], lines, strict=False):
        is_head = line == previous or not previous.startswith("|")
        if line.startswith("|") and not is_head and not line.startswith("|-"):
            yield [cell.strip() for cell in line.strip("|").split(" | ")]


def code(cell: str) -> list[str]:
    """The texts between backticks."""
    return re.findall(r"`([^`\n]+)`", cell)
