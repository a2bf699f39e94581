"""Alerts, dashboard and table name only metrics that exist."""

import json
import re
from collections.abc import Iterator

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from shared.metrics import Metrics
from tests.docs.markdown import ROOT, code, rows

DEPLOY = ROOT / "docs/deploy"
RULES = [yaml.safe_load((DEPLOY / name).read_text()) for name in ("alerts.yaml", "series-rules.yaml")]
ALERTS = RULES[0]
DASHBOARD = json.loads((DEPLOY / "grafana.json").read_text())
SELECTOR = re.compile(r"\b(tsad_\w+)(?:\{((?:[^{}\"]|\"[^\"]*\")*)\})?")
MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"")
GROUPING = re.compile(r"\bby \(([^)]*)\)")


def expressions() -> Iterator[str]:
    for group in ALERTS["groups"]:
        yield from (rule["expr"] for rule in group["rules"])
    for panel in DASHBOARD["panels"]:
        yield from (target["expr"] for target in panel["targets"])


@pytest.fixture(scope="module")
def labels(api: httpx.Client) -> dict[str, set[str]]:
    """The labels of each sample, by name: those that processes count, and gauges that a scrape adds."""
    counted = {
        f"{family.name}{suffix}": set(metric._labelnames) | ({"le"} if suffix == "_bucket" else set())  # noqa: SLF001
        for metric in vars(Metrics()).values()
        if hasattr(metric, "_labelnames")
        for family in metric.describe()
        for suffix in (("_total",) if family.type == "counter" else ("_bucket", "_sum", "_count"))
    }
    receiver = {"kind": "webhook", "url": "https://alerts.example.com"}
    assert api.put("/receivers/deployed", json=receiver).is_success
    content = api.get("/metrics").text
    assert api.delete("/receivers/deployed").is_success
    scraped = {
        sample.name: set(sample.labels)
        for family in text_string_to_metric_families(content)
        if family.type == "gauge"
        for sample in family.samples
    }
    return counted | scraped


def test_every_expression_names_metrics_and_labels_that_exist(labels: dict[str, set[str]]) -> None:
    all_expressions = list(expressions())
    assert len(all_expressions) > 30
    for expression in all_expressions:
        named = SELECTOR.findall(expression)
        assert named or expression.startswith("up{"), expression
        for name, matchers in named:
            assert name in labels, expression
            assert set(MATCHER.findall(matchers)) <= labels[name], expression
        grouped = {label.strip() for group in GROUPING.findall(expression) for label in group.split(",")}
        assert grouped <= set().union(*(labels[name] for name, _ in named)), expression


def test_every_expression_has_balanced_brackets() -> None:
    for expression in expressions():
        without_strings = re.sub(r'"[^"]*"', "", expression)
        for begin, end in ("()", "{}", "[]"):
            assert without_strings.count(begin) == without_strings.count(end), expression


def test_every_legend_shows_a_label_that_the_expression_keeps() -> None:
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
                grouping = " ".join(GROUPING.findall(target["expr"])) or "kind receiver status server"
                assert label in grouping, target


def test_every_alert_has_a_severity_a_summary_and_an_action() -> None:
    for group in ALERTS["groups"]:
        for rule in group["rules"]:
            assert rule["labels"]["severity"] in ("warning", "critical"), rule
            assert rule["annotations"].keys() == {"summary", "action"}, rule


def test_the_table_lists_every_metric_with_its_labels(labels: dict[str, set[str]]) -> None:
    documented = {
        name: set(code(label_cell))
        for names, label_cell, *_ in rows((ROOT / "docs/how-to/monitor.md").read_text())
        for name in code(names)
    }
    suffix = re.compile(r"_(bucket|sum|count)$")
    existing = {suffix.sub("", name): label_names - {"le"} for name, label_names in labels.items()}
    assert documented == existing
