"""Files with changes: each must be read as it was written, or be refused in a sentence, without a traceback."""

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from api.files.reading import read
from shared.errors import InputError
from tests.fuzz.mutated import mutated
from tests.fuzz.report import Row
from tests.fuzz.sheets import GARBAGE, MISSING, NO_TIMES, Point, Sheet, document, sheet


@dataclass(frozen=True)
class Case:
    """A file, the points that it must yield if it is read, and how many of them may differ."""

    kind: str
    content: bytes
    points: list[Point]
    may_differ: int = 0  # points that the change has reached
    must_be_refused: bool = False


def measure(seed: int, files: int) -> Iterator[Row]:
    """Read this many files, and collect tracebacks and misreadings by kind of change."""
    random = Random(f"{seed} files")  # noqa: S311 - repeatable, not secret
    outcomes: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory(prefix="tsad-fuzz-") as folder:
        path = Path(folder) / "points"
        for _ in range(files):
            case = random.choice(KINDS)(random)
            outcomes.setdefault(case.kind, []).append(outcome(case, path))
    for kind, found in sorted(outcomes.items()):
        counts = Counter(text if text in GOOD else "wrong" for text in found)
        answers = ", ".join(f"{number} x {text}" for text, number in sorted(counts.items()))
        yield Row(f"files: {kind}", len(found), [text for text in found if text not in GOOD], answers)


GOOD = ("read", "refused")


def outcome(case: Case, path: Path) -> str:
    """Return `read` or `refused`, or what is wrong."""
    path.write_bytes(case.content)
    try:
        points = read(str(path))
    except InputError:
        return "refused"
    except Exception as error:  # noqa: BLE001 - that is what this looks for
        return f"{type(error).__name__}: {error} for {case.content[:200]!r}"
    found = Counter(zip(points.timestamps.tolist(), [round(value, 9) for value in points.values.tolist()], strict=True))
    if case.must_be_refused:
        return f"read {points.notes} in {case.content[:300]!r}"
    meant = Counter((moment, round(value, 9)) for moment, value in case.points)
    lost, extra = (meant - found).total(), (found - meant).total()
    if lost > case.may_differ or extra > case.may_differ:
        return f"{lost} points misread, {extra} invented: {points.notes} in {case.content[:300]!r}"
    return "read"


# -------------------------------------------------------------------------------------------------------------- kinds


def _unchanged(random: Random) -> Case:
    written = sheet(random)
    return Case("unchanged", written.content(), written.points)


def _rows_that_are_not_data(random: Random) -> Case:
    """Add comments, blank lines, repeated headers, totals, remarks and rows before the header."""
    written = sheet(random)
    rows = list(written.rows)
    place = random.randrange(len(rows) + 1)
    extra = random.choice(("", "# a remark", written.delimiter * (written.width - 1), *written.head))
    rows.insert(place, extra)
    head = [*random.choice(([], ["Export of station 7"], ["Logger;4711", ""], ["# made by a logger"])), *written.head]
    foot = random.choice(([], [written.row(("Total", "99"))], ["(end of export)"], [""]))
    return Case("rows that are not data", replace(written, head=head, rows=rows, foot=foot).content(), written.points)


def _cell_changed(random: Random, cells: tuple[str, ...], place: int) -> tuple[Sheet, int]:
    written = sheet(random)
    index = random.randrange(len(written.rows))
    pair = list(written.cells[index])
    pair[place] = random.choice(cells)
    rows = list(written.rows)
    rows[index] = written.row((pair[0], pair[1]))
    return replace(written, rows=rows), index


def _value_is_garbage(random: Random) -> Case:
    written, _ = _cell_changed(random, GARBAGE, 1)
    return Case("a value is garbage", written.content(), [], must_be_refused=True)


def _time_is_garbage(random: Random) -> Case:
    written, _ = _cell_changed(random, NO_TIMES, 0)
    return Case("a time is garbage", written.content(), [], must_be_refused=True)


def _value_is_missing(random: Random) -> Case:
    written, index = _cell_changed(random, MISSING, 1)
    points = [point for place, point in enumerate(written.points) if place != index]
    return Case("a value is missing", written.content(), points)


def _other_dialect(random: Random) -> Case:
    """Take one row from another dialect."""
    written, other = sheet(random), sheet(random)
    index = random.randrange(min(len(written.rows), len(other.rows)))
    rows = list(written.rows)
    place = random.randrange(2)
    pair = list(written.cells[index])
    pair[place] = other.cells[index][place]
    rows[index] = written.row((pair[0], pair[1]))
    return Case("a cell of another dialect", replace(written, rows=rows).content(), written.points, may_differ=1)


def _rows_moved(random: Random) -> Case:
    """Sort, reverse or shuffle rows, and repeat some."""
    written = sheet(random)
    rows = list(written.rows)
    random.choice((rows.reverse, rows.sort, lambda: random.shuffle(rows), lambda: rows.extend(rows[:2])))()
    return Case("rows moved", replace(written, rows=rows).content(), written.points)


def _columns_added(random: Random) -> Case:
    """Add a second column of numbers, dates, words or nothing to every row."""
    written = sheet(random)
    cells: Callable[[int], str] = random.choice(
        (
            str,
            lambda index: f"{index}.25",
            lambda index: f"2020-01-{1 + index % 28:02}",
            lambda index: "ab"[index % 2],
            lambda _: "",
            lambda index: str(1_600_000_000 + index),
            lambda _: "17",
        )
    )
    name = random.choice(("extra", "id", "sensor", "", "status", "unix"))
    rows = [f"{row}{written.delimiter}{cells(index)}" for index, row in enumerate(written.rows)]
    head = [f"{line}{written.delimiter}{name}" for line in written.head]
    return Case("a column added", replace(written, head=head, rows=rows).content(), written.points)


def _cut_off(random: Random) -> Case:
    written = sheet(random)
    content = written.content()
    end = random.randrange(len(content) // 2, len(content))
    newline = written.end.encode({"utf-16": "utf-16-le"}.get(written.encoding, "utf-8"))
    whole = content[:end].count(newline) - len(written.head)
    points = written.points[: max(whole, 0) + 1]
    return Case("cut off", content[:end], points, may_differ=1)


def _digit_changed(random: Random) -> Case:
    """Change a digit of a row; all other rows must be read as they were."""
    written = sheet(random)
    index = random.randrange(len(written.rows))
    row = written.rows[index]
    place = random.choice([place for place, character in enumerate(row) if character.isdigit()])
    rows = list(written.rows)
    rows[index] = row[:place] + random.choice("0123456789") + row[place + 1 :]
    return Case("a digit changed", replace(written, rows=rows).content(), written.points, may_differ=1)


def _bytes_changed(random: Random) -> Case:
    """Change bytes anywhere; every row that is still there must be read as it was."""
    written = replace(sheet(random), encoding="utf-8")
    content = mutated(random, [written.content()])
    lines = Counter(content.decode("utf-8", "replace").replace("\r\n", "\n").split("\n"))
    kept = [point for row, point in zip(written.rows, written.points, strict=True) if lines[row] > 0]
    return Case("bytes changed", content, kept, may_differ=_extra(lines, written))


def _extra(lines: Counter[str], written: Sheet) -> int:
    """Count the lines that the change has made, which may hold any point."""
    return (lines - Counter([*written.rows, *written.head])).total()


def _json(random: Random) -> Case:
    text, points = document(random)
    return Case("JSON", text.encode(), points)


def _json_changed(random: Random) -> Case:
    text, points = document(random)
    # A byte in one of two parallel lists can move all of its cells.
    may_differ = len(points) if '"values": [' in text and '"timestamps"' in text else 8
    return Case("bytes of JSON changed", mutated(random, [text.encode()]), points, may_differ)


KINDS: tuple[Callable[[Random], Case], ...] = (
    _unchanged,
    _rows_that_are_not_data,
    _value_is_garbage,
    _time_is_garbage,
    _value_is_missing,
    _other_dialect,
    _rows_moved,
    _columns_added,
    _cut_off,
    _digit_changed,
    _bytes_changed,
    _json,
    _json_changed,
)
