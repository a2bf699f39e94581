"""Cells that are numbers: which decimal sign, thousands separator and unit fit every cell of a column."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from api.files.table import Column, Table, invalid, quoted
from shared.domain.series import Values

_SPACE = "\\s\u00a0\u202f\u2009"
TYPOGRAPHIC = "\u2019"  # an apostrophe
_LETTER = "[^\\W\\d_]|[%°µ‰Ω]"
_NUMBER = re.compile(
    rf"""[-+\u2212]?\s?(?P<currency>[$€£¥₹]?)\s?[-\u2212]?
    (?P<body>0+(?:[.,'\u2019{_SPACE}]0+)*[.,]?|[.,]0+)
    (?P<exponent>[eE][-+\u2212]?0{{1,3}}(?![^\W_]))?
    (?P<minus>-?)
    \s*(?P<unit>(?:(?:{_LETTER})(?:{_LETTER}|[/²³·^.*-]|(?<=[a-zA-Z])0\b)*|[$€£¥₹])?)""",
    re.VERBOSE,
)
MIN_DOUBTFUL = 4
_GROUPS = re.compile(r"0{1,3}(?:_000)*|0{1,2}(?:_00)+_000")  # in thousands, or in lakhs and crores
# Words after a number that make it something else than a number with a unit.
_NOT_UNITS = re.compile(
    r"(?:jan|feb|m[aäe]r|apr|mai|may|jun|jul|aug|sep|oct|okt|nov|de[cz]|am|pm|a\.m|p\.m|st|nd|rd|th|t|q|w|z|x|e|uhr|h0)"
    r".{0,7}",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Shape:
    """The parts of a number's shape."""

    body: str  # digits and separators; every thousands separator but dot and comma is ' or a space
    unit: str
    minus: str  # a minus sign behind the digits
    exponent: str


@dataclass(frozen=True)
class Reading:
    """How to read the numbers of a column."""

    decimal: str | None  # None if all numbers are whole
    thousands: str | None
    unit: str

    def notes(self) -> list[str]:
        """Describe everything that is not plain."""
        notes = [f"decimal sign {self.decimal!r}"] if self.decimal == "," else []
        notes += [f"thousands separator {self.thousands!r}"] if self.thousands else []
        return notes + ([f"unit {self.unit!r} removed"] if self.unit else [])


@dataclass(frozen=True)
class Numbers:
    """What the shapes of a column say: the readings that fit all cells, and the first cell that none fits."""

    readings: tuple[Reading, ...]
    bad: int | None  # index of the first cell that is not a number
    good_share: float  # share of the cells with content that look like numbers
    problem: str = ""  # why the numbers have no reading
    witness: int | None = None  # index of the only cell that tells decimal sign and thousands separator apart


@lru_cache(maxsize=4096)
def shape_of(shape: str) -> Shape | None:
    """Take a cell's shape apart; None if it is not the shape of a number."""
    match = _NUMBER.fullmatch(shape)
    if not match:
        return None
    unit = match["unit"]
    if unit and not _is_unit(unit):
        return None
    if match["currency"]:
        unit = match["currency"] + unit
    body = re.sub(rf"[{_SPACE}]", " ", match["body"]).replace("\u2019", "'")
    return Shape(body, unit, match["minus"], match["exponent"] or "")


def _is_unit(text: str) -> bool:
    if text.isalpha() and (len(text) > 5 or _NOT_UNITS.fullmatch(text)):
        return text in _KNOWN_UNITS
    return len(text) <= 12


_KNOWN_UNITS = frozenset(("t", "W", "T", "x", "percent", "degrees", "seconds", "minutes", "counts"))


def numbers_of(column: Column) -> Numbers:
    """Find all readings of a column's numbers, once per column."""
    if column.numbers is None:
        column.numbers = _numbers_of(column)
    found: Numbers = column.numbers
    return found


def _numbers_of(column: Column) -> Numbers:
    shapes: dict[str, Shape] = {}
    bad = None
    for text, first in column.first_of.items():
        if text in column.missing:
            continue
        if (shape := shape_of(text)) and _decimals([shape]):
            shapes[text] = shape
        elif bad is None:
            bad = first
    if not shapes:
        return Numbers((), bad, 0.0)
    share = 1.0
    if bad is not None:
        present = [text for text in column.shapes if text not in column.missing]
        share = sum(text in shapes for text in present) / len(present)
    units = {shape.unit: column.first_of[text] for text, shape in shapes.items()}
    if len(units) > 1:
        (unit, first), (other, second) = list(units.items())[:2]
        example, second_example = quoted(column.cells[first]), quoted(column.cells[second])
        return Numbers((), bad, share, f"has more than one unit: {unit!r} in {example}, {other!r} in {second_example}")
    decimals = _decimals(list(shapes.values()))
    if None in decimals and len(decimals) > 1 and _has_leading_zero(column):
        decimals.remove(None)
    used = _separators(shapes.values())
    decimals = [sign for sign in decimals if sign is None or _is_corroborated(list(shapes.values()), sign)]
    readings = tuple(Reading(sign, next(iter(used - {sign}), None), next(iter(units))) for sign in decimals)
    problem = "" if readings else "mixes decimal and thousands separators"
    return Numbers(readings, bad, share, problem, _lone_witness(column, shapes))


def _separators(shapes: Iterable[Shape]) -> set[str]:
    return {character for shape in shapes for character in shape.body if character != "0"}


def _decimals(shapes: list[Shape]) -> list[str | None]:
    """List the decimal signs that fit all shapes; None stands for whole numbers with thousands separators."""
    used = _separators(shapes)
    signs = [sign for sign in (".", ",") if sign in used]
    candidates: list[str | None] = [*signs, None]
    return [sign for sign in candidates if len(used - {sign}) <= 1 and all(_fits(shape, sign) for shape in shapes)]


def _fits(shape: Shape, decimal: str | None) -> bool:
    whole, *fractions = shape.body.split(decimal) if decimal else [shape.body]
    if len(fractions) > 1 or (fractions and fractions[0].strip("0")):
        return False
    groups = re.sub(r"[.,' ]", "_", whole)
    return "_" not in groups or (not shape.exponent and bool(_GROUPS.fullmatch(groups)))


def _lone_witness(column: Column, shapes: dict[str, Shape]) -> int | None:
    """Return the index of the only cell that has one reading, if at least `MIN_DOUBTFUL` others have two."""
    certain = [text for text, shape in shapes.items() if _separators([shape]) and len(_decimals([shape])) == 1]
    doubtful = sum(text in shapes and text not in certain and _has_separator(text) for text in column.shapes[:1000])
    if len(certain) != 1 or doubtful < MIN_DOUBTFUL or column.shapes.count(certain[0]) > 1:
        return None
    return column.first_of[certain[0]]


def _has_separator(text: str) -> bool:
    return "." in text or "," in text


def _is_corroborated(shapes: list[Shape], decimal: str) -> bool:
    """Check that decimal signs and thousands separators do not come from different cells only.

    In 50.658 and 26,0 the point may be the decimal sign of another program; 1.234,5 or 1.234.567 would settle it.
    """
    others = _separators(shapes) - {decimal}
    if not others & {".", ","}:
        return True
    return any(sum(mark in ".,' " for mark in shape.body) > 1 for shape in shapes)


def _has_leading_zero(column: Column) -> bool:
    """Check for a cell such as 0,123, whose separator cannot separate thousands."""
    return re.search(r"(?m)^[-+\u2212]?0[.,]\d", "\n".join(column.cells)) is not None


def parse(table: Table, column: Column, reading: Reading) -> Values:
    """Parse values (n,); NaN where a cell is missing. Raise `InputError` at an infinite value."""
    convert = _converter(column, reading)
    if column.missing:
        cells = zip(column.cells, column.shapes, strict=True)
        values = np.array([np.nan if shape in column.missing else convert(cell) for cell, shape in cells])
    else:
        values = np.array(list(map(convert, column.cells)), dtype=np.float64)
    if len(infinite := np.flatnonzero(np.isinf(values))):
        index = int(infinite[0])
        raise invalid(f"{quoted(column.cells[index])} ({table.place(column, index)}) is too large for a number.")
    return values


def _converter(column: Column, reading: Reading) -> Callable[[str], float]:
    """Return a function from a cell to its number."""
    plain = re.compile(r"[-+]?[0.]*(?:[eE][-+]?0+)?")
    if (
        reading.decimal in (None, ".")
        and not reading.thousands
        and all(plain.fullmatch(shape) or shape in column.missing for shape in column.first_of)
    ):
        return float
    removed = f"{reading.thousands or ''}{TYPOGRAPHIC if reading.thousands == chr(39) else ''}$€£¥₹\u00a0\u202f\u2009 "
    table = str.maketrans(
        {**dict.fromkeys(removed, None), "\u2212": "-", **({reading.decimal: "."} if reading.decimal else {})}
    )
    unit_length = len(reading.unit.lstrip("$€£¥₹"))

    def convert(cell: str) -> float:
        text = (cell[:-unit_length] if unit_length else cell).translate(table)
        return -float(text[:-1]) if text.endswith("-") else float(text)

    return convert
