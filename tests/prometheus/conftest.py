"""One real Prometheus for all tests in this folder: it scrapes itself and sends what it has to one API."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.embedded.ports import free_port
from tests.remote import Sender, backfill, prometheus

DEPLOY = Path(__file__).parents[2] / "docs/deploy"


@pytest.fixture(scope="session")
def sender(session_folder: Path) -> Iterator[Sender]:
    port, own = free_port(), free_port()
    queue = {"batch_send_deadline": "100ms", "min_backoff": "100ms", "max_backoff": "100ms"}
    config = {
        "global": {"scrape_interval": "300ms", "evaluation_interval": "1s", "external_labels": {"monitor": "tests"}},
        "rule_files": [str(DEPLOY / "alerts.yaml"), str(DEPLOY / "series-rules.yaml")],
        "scrape_configs": [
            {"job_name": "self", "static_configs": [{"targets": [f"127.0.0.1:{own}"]}]},
            {"job_name": "tsad", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]},
            {
                "job_name": "tsad-series",
                "metrics_path": "/metrics/series",
                "params": {"watch": ["graphs"]},
                "static_configs": [{"targets": [f"127.0.0.1:{port}"]}],
            },
        ],
        "storage": {"tsdb": {"out_of_order_time_window": "60d"}},
        "remote_write": [{"url": f"http://127.0.0.1:{port}/api/v1/write", "queue_config": queue}],
    }
    backfill(session_folder / "prometheus")
    with prometheus(session_folder / "prometheus", config, own, ["--web.enable-remote-write-receiver"]) as server:
        yield Sender(server, f"127.0.0.1:{own}", port)
