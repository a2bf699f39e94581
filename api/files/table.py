"""Columns of text cells, and the shapes of the cells: the few patterns that even a million cells have."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from shared.errors import Code, InputError

MISSING = frozenset(("", "nan", "-nan", "null", "none", "na", "n/a", "<na>", "nat", "\\n", "(null)", "nil"))
_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_MARK = "\x1f"
MAX_NAMED = 12


@dataclass(eq=False)
class Column:
    """A column with its stripped cells."""

    name: str
    cells: Sequence[str]
    number: int  # from 1
    numbers: Any = None  # what `numbers_of` found

    def __str__(self) -> str:
        """Return the name for messages."""
        return repr(self.name) if self.name else f"number {self.number}"

    @cached_property
    def shapes(self) -> list[str]:
        """The shape of each cell: the cell with 0 for every digit, as text of the same length."""
        found = _MARK.join(self.cells).encode("utf-8", "surrogatepass").translate(_DIGITS)
        shapes = found.decode("utf-8", "surrogatepass").split(_MARK)
        if len(shapes) == len(self.cells):
            return shapes
        table = str.maketrans("123456789", "000000000")
        return [cell.translate(table) for cell in self.cells]

    @cached_property
    def first_of(self) -> dict[str, int]:
        """The distinct shapes with the index of the first cell of each, in order of appearance."""
        last = len(self.shapes) - 1
        backwards = {shape: last - index for index, shape in enumerate(reversed(self.shapes))}
        return dict(sorted(backwards.items(), key=lambda item: item[1]))

    @cached_property
    def missing(self) -> frozenset[str]:
        """The shapes that mean that the cell has no content."""
        return frozenset(shape for shape in self.first_of if shape.lower() in MISSING)

    @cached_property
    def is_empty(self) -> bool:
        """Whether no cell has any content."""
        return len(self.missing) == len(self.first_of)

    @cached_property
    def is_constant(self) -> bool:
        """Whether all cells are the same, and there are several."""
        return len(self.cells) > 1 and self.cells[0] == self.cells[-1] and len(set(self.cells)) == 1


@dataclass(eq=False)
class Table:
    """Columns of the same length, with the row of each cell in the file for messages."""

    columns: list[Column]
    rows: Sequence[int]
    notes: list[str] = field(default_factory=list)
    decimal: str | None = None  # the decimal sign, if the form of the file defines it
    hint: str = ""  # advice for an error about the columns

    def __len__(self) -> int:
        return len(self.rows)

    def place(self, column: Column, index: int) -> str:
        """Return where a cell is, for messages."""
        return f"column {column}, row {self.rows[index]:,}"

    def names(self) -> str:
        """Return the names of all columns for messages."""
        return listed(self.columns)


def invalid(sentence: str) -> InputError:
    """Return the error of a file that cannot be read."""
    return InputError(Code.INVALID_FILE, sentence)


def too_big(name: str) -> InputError:
    """Return the error of a file that needs more memory than there is."""
    return invalid(f"{name} needs more memory to be read than there is. Split it into smaller files.")


def quoted(cell: str) -> str:
    """Return the start of a cell for messages."""
    return repr(cell[:40])


def column_named(table: Table, text: str, option: str) -> Column:
    """Return the column with a name, in any case, or with a number; raise `InputError` if there is none or several."""
    found = [column for column in table.columns if column.name == text]
    found = found or [column for column in table.columns if column.name.lower() == text.lower()]
    if not found and text.isdecimal() and 1 <= int(text) <= len(table.columns):
        found = [table.columns[int(text) - 1]]
    if len(found) > 1:
        raise invalid(f"Several columns have the name {text!r}. Use the column's number with {option}.")
    if not found:
        raise invalid(f"No column {text!r}. Columns: {table.names()}.")
    return found[0]


def listed(columns: Sequence[Column]) -> str:
    """Return names of columns for messages."""
    more = f" and {len(columns) - MAX_NAMED} more" if len(columns) > MAX_NAMED else ""
    return ", ".join(str(column) for column in columns[:MAX_NAMED]) + more
