"""Numbers with nouns, and values as people write them, for messages."""

NEGLIGIBLE = 1e-6  # of the largest value beside it: a rounding error


def counted(number: int, one: str, many: str = "") -> str:
    """Return the number with the singular after 1, else with the plural: `1 row`, `2,000 rows`."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def readable(value: float, *beside: float | None, digits: int = 6) -> str:
    """Return a value with so many digits: `0.25`, `39,197`, `12,345,678`.

    beside: other values of the same sentence. A value that is nothing but a rounding error beside them is 0.
    """
    largest = max((abs(other) for other in beside if other is not None), default=0.0)
    if abs(value) < NEGLIGIBLE * largest:
        return "0"
    if 1e4 <= abs(value) < 1e15:
        whole = max(0, digits - len(f"{abs(value):.0f}"))
        text = f"{value:,.{whole}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return f"{value:.{digits}g}"


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
