"""`python -m tests.voice`: find phrases that hide who does what, or that have a plainer synonym.

Documents, comments, docstrings, messages and names of tests are all read by people, so all text of the checkout counts.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MIGRATIONS = ROOT / "migrations/versions"
FOLDERS = ("api", "worker", "shared", "migrations", "tests", "benchmark", "docs", ".ci", ".github")
SUFFIXES = {"", ".conf", ".css", ".html", ".js", ".md", ".mmd", ".py", ".sh", ".svg", ".toml", ".yaml", ".yml"}
# A space stands for any space, also across the lines of a comment. A name such as `is_told` counts too.
PHRASES = {
    "whoever": "name the client, the user or the process",
    "(?:is|are|was|were|be|been|being) told": "is reported, is notified",
    "(?:is|are|was|were) heard of": "sends heartbeats, is alive",
    "to be had": "available",
    "(?:is|was|were|are) let go": "is deleted",
    "(?:is|are) no (?:point|key|number|json|file|version)": "is not a valid …",
    "mend(?:s|ed|ing)?": "fix, repair",
    "hurts? no": "does not affect",
    "for good": "permanently",
    "in earnest": "in production",
    "likewise": "also, the same",
    "none any more": "no longer valid",
    "back into the line": "requeued",
    "as (?:they|it) (?:have|has) to be": "valid, correct",
    "goes? by (?:other|another) names?": "is not in the list",
    "learnt (?:from|by|of|what|in)": "learned",
    "sign of life": "heartbeat, progress",
    "or none at all": "or nothing",
}
GAP = r"[\s#/*_]+"
EXPRESSION = re.compile(rf"(?<![a-z])(?:{'|'.join(PHRASES).replace(' ', GAP)})(?![a-z])", re.IGNORECASE)


def findings(text: str) -> Iterator[tuple[int, str]]:
    """Yield line number and phrase of each match."""
    for match in EXPRESSION.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, " ".join(re.split(GAP, match[0]))


def advice(phrase: str) -> str:
    """Return what to write instead of a phrase that was found."""
    return next(instead for pattern, instead in PHRASES.items() if re.fullmatch(pattern, phrase, re.IGNORECASE))


def files() -> Iterator[Path]:
    """Yield the files that hold text for people, except this one and migrations, which never change."""
    for path in [*ROOT.iterdir(), *(file for folder in FOLDERS for file in (ROOT / folder).rglob("*"))]:
        if path.is_file() and path.suffix in SUFFIXES and path != Path(__file__) and path.parent != MIGRATIONS:
            yield path


def main() -> int:
    """Print each phrase with its place and advice; return 1 if there is one."""
    lines = [
        f"{path.relative_to(ROOT)}:{number}: {phrase!r}: {advice(phrase)}"
        for path in sorted(files())
        for number, phrase in findings(path.read_text(errors="ignore"))
    ]
    print("\n".join(lines) if lines else "no phrase to avoid")  # noqa: T201
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
