"""Numbers with nouns, for messages."""


def counted(number: int, one: str, many: str = "") -> str:
    """Return the number with the singular after 1, else with the plural: `1 row`, `2,000 rows`."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"
