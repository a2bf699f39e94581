"""A real Prometheus evaluates every rule and every expression of the dashboards."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from shared.settings import Settings
from tests.processes import serving
from tests.remote import Sender
from tests.waiting import until

DEPLOY = Path(__file__).parents[2] / "docs/deploy"
VARIABLES = {"$__rate_interval": "1m", "$__range": "1h", "$__interval": "1m", "$watch": "graphs", "$series": ".+"}
NOW = int(time.time()) // 60 * 60


def expressions(name: str) -> Iterator[str]:
    for panel in json.loads((DEPLOY / name).read_text())["panels"]:
        for target in panel["targets"]:
            expression: str = target["expr"]
            for variable, value in VARIABLES.items():
                expression = expression.replace(variable, value)
            assert not re.search(r"\$\w", expression), expression
            yield expression


def test_every_rule_and_every_expression_is_evaluated(settings: Settings, sender: Sender) -> None:
    with serving(settings, sender.port) as api:
        assert api.put("/watches/graphs", json={"prefix": "graphs."}).is_success
        values = [float(place % 4) for place in range(40)]
        body = {"timestamps": [NOW - 60 * place for place in range(40)][::-1], "values": values}
        assert api.post("/series/graphs.a/points", json=body).is_success
        receiver = {"kind": "webhook", "url": "https://alerts.example.com"}
        assert api.put("/receivers/graphs", json=receiver).is_success
        assert api.put("/watches/graphs.b", json={"prefix": "graphs.b"}).is_success
        names = ("tsad_alert_open", "tsad_open_jobs", "tsad_receiver_failures", "tsad_watches_overdue")
        until(lambda: all(query(sender, name) for name in names), 30)
        until(lambda: all(rule["lastEvaluation"][:4] != "0001" for rule in rules(sender)), 30)
        assert {rule["health"] for rule in rules(sender)} == {"ok"}
        assert len(rules(sender)) > 15
        for name in ("grafana.json", "grafana-series.json"):
            for expression in expressions(name):
                query(sender, expression)
        for expression in list(expressions("grafana-series.json"))[:1]:
            assert query(sender, expression)
        assert api.delete("/receivers/graphs").is_success


def query(sender: Sender, expression: str) -> list[Any]:
    answer = sender.prometheus.get("/api/v1/query", params={"query": expression})
    assert answer.status_code == 200, f"{expression}: {answer.text}"
    result: list[Any] = answer.json()["data"]["result"]
    return result


def rules(sender: Sender) -> list[dict[str, Any]]:
    groups = sender.prometheus.get("/api/v1/rules").json()["data"]["groups"]
    return [rule for group in groups for rule in group["rules"]]
