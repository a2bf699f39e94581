"""Ids of series from labels."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.series import check_series_id
from shared.domain.watching.labels import check_template, id_of, shown

LABELS = {"__name__": "node_cpu", "instance": "host:9100", "job": "node", "cpu": "0", "mode": "idle"}


@pytest.mark.parametrize(
    ("template", "series_id"),
    [
        ("{job}.{instance}.{__name__}", "node.host_9100.node_cpu"),
        ("{job}.{__name__}.{*}", "node.node_cpu.0.host_9100.idle"),
        ("{job}.{instance}.{cpu}.{mode}.{__name__}.{*}", "node.host_9100.0.idle.node_cpu"),
        ("{*}", "node_cpu.0.host_9100.node.idle"),
        ("x.{zone}.{job}", "x._.node"),
        ("{job}..{job} ü", "node._node__"),
        ("{job}" * 40, "node" * 29 + "nod-2b4ee42b"),
    ],
)
def test_a_template_makes_an_id(template: str, series_id: str) -> None:
    assert check_template(template) is None
    assert id_of(template, LABELS) == series_id


@pytest.mark.parametrize("template", ["", "fixed", "{job", "job}", "{}", "{a b}.{job}", "{{job}}", 7, "x" * 501])
def test_an_invalid_template_has_a_reason(template: object) -> None:
    assert check_template(template)


@given(
    st.lists(st.sampled_from(["{a}", "{b}", "{*}", ".", "x", "-", "é"]), min_size=1, max_size=12).map("".join),
    st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), st.text(max_size=200)),
)
def test_every_id_is_valid(template: str, labels: dict[str, str]) -> None:
    series_id = id_of(template, labels)
    assert check_series_id(series_id) == series_id


def test_labels_are_shown_as_prometheus_writes_them() -> None:
    assert shown({"job": "a", "__name__": "up"}) == 'up{job="a"}'
    assert shown({"__name__": "up"}) == "up"
    assert len(shown({"x": "y" * 9_000})) == 301
