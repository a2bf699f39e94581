"""The report of a fuzzing run: one line per part."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One part of a run: the number of requests, the wrong responses, and a summary of all responses."""

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
