"""No query of a hot path has to read a whole table, however large it grows."""

from collections.abc import Callable

import pytest
from sqlalchemy import text

from benchmark.plans import HOT, plan, whole_tables
from shared.store.engine import Session, Sessions


@pytest.mark.parametrize("query", HOT.values(), ids=HOT)
def test_there_is_an_index_for(store: Sessions, query: Callable[[Session], object]) -> None:
    with store.begin() as session:
        session.execute(text("SET LOCAL enable_seqscan = off"))  # which a small table would be worth
        lines = plan(session, query)
    assert lines
    assert whole_tables(lines) == [], "\n".join(lines)


def test_a_query_without_an_index_would_be_noticed(store: Sessions) -> None:
    with store.begin() as session:
        lines = plan(session, lambda inner: inner.execute(text("SELECT * FROM fit_jobs WHERE worker = 'w'")))
    assert whole_tables(lines) == ["fit_jobs"]
