"""Traces: a span for each request, and one for its fit."""

import json
from dataclasses import replace
from typing import Any

import pytest

from shared.settings import Settings
from shared.tracing import Tracing, start
from tests.points import ramp
from tests.processes import serving
from worker import training as trainings

memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
exporters = pytest.importorskip("opentelemetry.exporter.otlp.proto.http.trace_exporter")

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture
def span_exporters(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """In-memory exporters, one per process, instead of those that send to a collector."""
    created: list[Any] = []

    def make(endpoint: str) -> Any:
        assert endpoint == "http://127.0.0.1:4318/v1/traces"
        created.append(memory.InMemorySpanExporter())
        return created[-1]

    monkeypatch.setattr(exporters, "OTLPSpanExporter", make)
    return created


@pytest.fixture
def traced(settings: Settings, span_exporters: list[Any]) -> Settings:
    return settings.model_copy(update={"otel_exporter_otlp_endpoint": "http://127.0.0.1:4318/"})


def spans(span_exporters: list[Any]) -> dict[str, Any]:
    """The spans of stopped processes, by name."""
    return {span.name: span for exporter in span_exporters for span in exporter.get_finished_spans()}


def fit(traced: Settings, training: trainings.Training, job_id: str) -> None:
    tracing = start(traced, "tsad-worker")
    assert tracing
    trainings.run(replace(training, tracing=tracing), job_id)
    tracing.close()


def test_a_fit_is_in_the_trace_of_its_request(
    traced: Settings, span_exporters: list[Any], training: trainings.Training, series_id: str
) -> None:
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
    with serving(traced) as client:
        accepted = client.post(f"/fit/{series_id}", json=ramp(), headers=headers)
        line = json.dumps(ramp(series_id=f"{series_id}-2"))
        bulk = client.post("/fit", content=line, headers=headers).json()
    fit(traced, training, accepted.json()["job_id"])
    request, fitted = spans(span_exporters)["POST /fit/{series_id}"], spans(span_exporters)["fit"]
    assert f"{request.context.trace_id:032x}" == TRACE
    assert f"{request.parent.span_id:016x}" == PARENT
    assert request.attributes["http.response.status_code"] == 202
    assert accepted.headers["X-Request-ID"] == f"{TRACE}-{request.context.span_id:016x}"
    assert (fitted.context.trace_id, fitted.parent.span_id) == (request.context.trace_id, request.context.span_id)
    assert fitted.attributes["tsad.job_id"] == accepted.json()["job_id"]
    fit(traced, training, bulk["job_id"])
    assert spans(span_exporters)["fit"].attributes["tsad.job_id"] == bulk["job_id"]
    assert spans(span_exporters)["fit"].parent.span_id == spans(span_exporters)["POST /fit"].context.span_id


def test_a_request_keeps_the_id_it_was_sent_with(traced: Settings, span_exporters: list[Any]) -> None:
    with serving(traced) as client:
        answer = client.get("/livez", headers={"X-Request-ID": "mine"})
        client.post("/predict/nobody", json={"timestamp": 1, "value": 2})
    assert answer.headers["X-Request-ID"] == "mine"
    assert spans(span_exporters)["GET /livez"].attributes["tsad.request_id"] == "mine"
    assert spans(span_exporters)["POST /predict/{series_id}"].attributes["http.response.status_code"] == 404


def test_nothing_is_traced_unless_a_collector_is_configured(settings: Settings) -> None:
    assert start(settings, "tsad-api") is None


def test_a_fit_of_an_untraced_request_starts_a_trace() -> None:
    exporter = memory.InMemorySpanExporter()
    tracing = Tracing("tsad-worker", exporter)
    for request_id in ("abc", None, "0" * 32 + "-" + "0" * 15):
        with tracing.fit(request_id, {}):
            pass
    tracing.close()
    assert [span.parent for span in exporter.get_finished_spans()] == [None] * 3
