"""How lists are read: along an index, so that a page costs the same however many rows there are."""

from sqlalchemy import text

from shared.store import series
from shared.store.engine import Sessions


def plan(store: Sessions, statement: str, parameters: dict[str, object]) -> str:
    """How PostgreSQL would read it from large tables, which it does not read row by row."""
    with store.begin() as session:
        for way in ("seqscan", "bitmapscan", "sort"):  # left only where there is no other
            session.execute(text(f"SET LOCAL enable_{way} = off"))
        return "\n".join(session.execute(text(f"EXPLAIN (COSTS OFF) {statement}"), parameters).scalars())


def test_a_page_of_series_is_a_range_of_the_primary_key(store: Sessions) -> None:
    statement = series._PAGE.text  # noqa: SLF001 - what is planned is the statement itself
    found = plan(store, statement, {"prefix": "p", "after": "pq", "limit": 31, "within": ""})
    assert "Index Scan using series_pkey" in found
    assert "series_id >= 'p'" in found
    assert "Sort" not in found
