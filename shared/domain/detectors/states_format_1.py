"""States of format 1, which kept all fields of a detector's state side by side.

Nothing else knows this format: when no version of it is left, delete this module and its call in `states`.
"""

from typing import Any

from numpy.typing import NDArray

FORMAT = 1

Arrays = dict[str, NDArray[Any]]


def upgraded(head: dict[str, Any], arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
    """Head and arrays of the same state in format 2."""
    return head, arrays
