"""What fuzzing found: one line for each part of it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """A part, how much of it was sent, what was wrong, and what the answers were."""

    part: str
    sent: int
    wrong: list[str]
    answers: str


def show(rows: list[Row]) -> None:
    """Print the findings, then the table."""
    for row in rows:
        for finding in row.wrong[:20]:
            print(f"{row.part}: {finding}")  # noqa: T201
    width = max(len(row.part) for row in rows)
    for row in rows:
        print(f"{row.part:{width}}  {row.sent:>6} sent  {len(row.wrong):>4} wrong  {row.answers}")  # noqa: T201
