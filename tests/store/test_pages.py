"""Lists are read from an index, so that the cost of a page does not depend on the number of rows."""

from sqlalchemy import text

from shared.store import series
from shared.store.engine import Sessions


def plan(store: Sessions, statement: str, parameters: dict[str, object]) -> str:
    """Return the query plan for a large table, where PostgreSQL avoids a scan."""
    with store.begin() as session:
        for method in ("seqscan", "bitmapscan", "sort"):  # still used if there is no alternative
            session.execute(text(f"SET LOCAL enable_{method} = off"))
        return "\n".join(session.execute(text(f"EXPLAIN (COSTS OFF) {statement}"), parameters).scalars())


def test_a_page_of_series_is_a_range_of_the_primary_key(store: Sessions) -> None:
    statement = series._PAGE.text  # noqa: SLF001 - to plan the statement itself
    query_plan = plan(store, statement, {"prefix": "p", "after": "pq", "limit": 31, "visible_prefix": ""})
    assert "Index Scan using series_pkey" in query_plan
    assert "series_id >= 'p'" in query_plan
    assert "Sort" not in query_plan
