"""Numbers with nouns, and values as people write them, for messages."""

FEWEST, MOST = 4, 7  # digits
NEGLIGIBLE = 1e-6  # of the largest value beside it: a rounding error


def counted(number: int, one: str, many: str = "") -> str:
    """Return the number with the singular after 1, else with the plural: `1 row`, `2,000 rows`."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def readable(value: float, *beside: float | None, digits: int | None = None) -> str:
    """Return a value as people write it: `0.25`, `39,197`, `12,345,678`.

    beside: other values of the same sentence. A value that is nothing but a rounding error beside them is 0. All have
    four digits, or as many more, up to seven, as it takes to tell them apart: 100.02 is not `normal 99.97 to 100`.
    digits: of the value, instead.
    """
    largest = max((abs(other) for other in beside if other is not None), default=0.0)
    if abs(value) < NEGLIGIBLE * largest:
        return "0"
    return _written(value, digits or _digits({value, *(other for other in beside if other is not None)}))


def _digits(values: set[float]) -> int:
    """Return the fewest digits with which as many values differ as with the most."""
    differing = {digits: len({_written(value, digits) for value in values}) for digits in range(FEWEST, MOST + 1)}
    return next(digits for digits, number in differing.items() if number == differing[MOST])


def _written(value: float, digits: int) -> str:
    if not 100 <= abs(value) < 1e15:
        return f"{value:.{digits}g}"
    text = f"{value:,.{max(0, digits - len(f'{abs(value):.0f}'))}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def band(value: float | None, lower: float | None, upper: float | None) -> str:
    """Return a band that one edge may be missing from, in a sentence about a value: `4 to 6`, `at least 4`."""
    beside = (value, lower, upper)
    if lower is None:
        return "unknown" if upper is None else f"at most {readable(upper, *beside)}"
    return (
        f"at least {readable(lower, *beside)}"
        if upper is None
        else f"{readable(lower, *beside)} to {readable(upper, *beside)}"
    )
