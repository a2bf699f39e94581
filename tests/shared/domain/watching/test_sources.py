"""Documents of sources."""

from typing import Any

import pytest

from shared.domain.watching.sources import parse
from shared.errors import InputError

QUERY = {"query": "rate(x[5m])", "id_template": "{instance}.rate", "step": "30s"}
PULLED = {"kind": "prometheus", "url": "http://prometheus:9090", "queries": [QUERY]}


@pytest.mark.parametrize(
    "document",
    [
        {"kind": "remote_write", "select": {}, "id_template": "{job}.{*}"},
        {"kind": "remote_write", "select": {"job": "node", "env": ["a", "b"]}, "id_template": "{job}"},
        {**PULLED, "every": "1m", "offset": "30s", "history": "28d"},
        {
            "kind": "prometheus",
            "url_env": "TSAD_SOURCE_URL",
            "token_env": "TSAD_SOURCE_TOKEN",
            "queries": [QUERY] * 2,
            "every": "15s",
            "offset": "0s",
            "history": "0s",
        },
    ],
)
def test_a_document_stays_the_same(document: dict[str, Any]) -> None:
    assert parse("s", document, max_history_s=28 * 86_400).document() == document


@pytest.mark.parametrize(
    ("document", "loc"),
    [
        ({}, "kind"),
        ([], "kind"),
        ({"kind": "graphite"}, "kind"),
        ({"kind": {}}, "kind"),
        ({"kind": ["prometheus"]}, "kind"),
        ({"kind": "remote_write", "url": "http://a"}, "url"),
        ({"kind": "remote_write", "select": {"a b": "c"}}, "select.a b"),
        ({"kind": "remote_write", "select": {"a": []}}, "select.a"),
        ({"kind": "remote_write", "select": {"a": 3}}, "select.a"),
        ({"kind": "remote_write", "select": "all"}, "select"),
        ({"kind": "remote_write", "id_template": "fixed"}, "id_template"),
        (PULLED | {"url": None}, "url"),
        (PULLED | {"url_env": "TSAD_SOURCE_A"}, "url"),
        (PULLED | {"url": "ftp://a"}, "url"),
        (PULLED | {"url": "http://user:password@a"}, "url"),
        (PULLED | {"token_env": "HOME"}, "token_env"),
        (PULLED | {"queries": []}, "queries"),
        (PULLED | {"queries": [QUERY | {"query": " "}]}, "queries.0.query"),
        (PULLED | {"queries": [QUERY | {"step": "1"}]}, "queries.0.step"),
        (PULLED | {"queries": [{"query": "up"}]}, "queries.0.id_template"),
        (PULLED | {"queries": [QUERY | {"else": 1}]}, "queries.0.else"),
        (PULLED | {"every": "0s"}, "every"),
        (PULLED | {"history": "29d"}, "history"),
    ],
)
def test_each_flaw_is_named(document: object, loc: str) -> None:
    with pytest.raises(InputError) as raised:
        parse("s", document, max_history_s=28 * 86_400)
    assert loc in {".".join(map(str, flaw.loc)) for flaw in raised.value.flaws}


def test_a_source_selects_by_the_values_of_labels() -> None:
    source = parse("s", {"kind": "remote_write", "select": {"job": ["a", "b"], "env": ""}}, max_history_s=0)
    assert source.selects({"job": "b"})
    assert not source.selects({"job": "b", "env": "test"})
    assert not source.selects({"job": "c"})
    assert not source.selects({})
