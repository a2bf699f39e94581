"""The client's requests and responses are those of the OpenAPI document."""

import inspect
import json
import re
import types
import typing
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from api.main import create_app
from tests.processes import make_settings
from tsad_client import AsyncClient, Client, answers, errors, verdicts, watching
from tsad_client.answers import JobState
from tsad_client.jobs import Job, job_operation
from tsad_client.operations import Operations
from tsad_client.running import operation, request_of
from tsad_client.sending import Call

POINTS = {"timestamps": [1, 2], "values": [1.0, None]}
WATCH_FIELDS = ("detector", "parameters", "window", "open", "close", "merge_within", "gates", "silence")
JOB_ID = "6f0c3a52-7d7e-4a35-9f0e-0a6f0a1c9b11"
STATE = JobState(job_id=JOB_ID, series_id="boiler", status="queued", points_used=1)
# Each operation with every argument that it has, and the operation of the document.
CALLS: dict[str, tuple[str, tuple[Any, ...], dict[str, Any]]] = {
    "fit": ("fit", ("boiler", POINTS), {"detector": "auto", "parameters": {"a": 1}, "idempotency_key": "k"}),
    "fit_many": ("fit_many", ({"boiler": POINTS},), {"parameters": {"a": 1}}),
    "refit": ("refit", ("boiler", 1), {"detector": "auto", "parameters": {}}),
    "job": ("get_job", (JOB_ID,), {}),
    "retry": ("retry_job", (JOB_ID,), {}),
    "Job.wait": ("get_job", (), {}),
    "Job.refresh": ("get_job", (), {}),
    "Job.cancel": ("cancel_job", (), {}),
    "predict": ("predict", ("boiler", 1, 2.0), {"context": [1, None], "version": 1, "explain": True}),
    "predict_batch": ("predict_batch", ("boiler", POINTS), {"version": 1, "mode": "causal"}),
    "predict_many": ("predict_many", ([("boiler", 1, 2.0)],), {}),
    "push": ("push", ("boiler", POINTS), {}),
    "push_points": ("push_lines", ([("boiler", 1, None)],), {}),
    "stored_points": ("stored_points", ("boiler",), {"from_": 1, "to": 2, "max_points": 100}),
    "put_watch": ("put_watch", ("plant", "plant."), dict.fromkeys(WATCH_FIELDS, "1d")),
    "watch": ("get_watch", ("plant",), {}),
    "watches": ("list_watches", (), {}),
    "delete_watch": ("delete_watch", ("plant",), {}),
    "pause_watch": ("pause_watch", ("plant",), {}),
    "resume_watch": ("resume_watch", ("plant",), {}),
    "apply": ("apply_configuration", ({"watches": {}},), {"dry_run": True, "prune": True}),
    "simulate": ("simulate_watch", (POINTS,), {"series_id": "boiler", "from_": 1, "to": 2, "watch": {}}),
    "alerts": (
        "list_alerts",
        (),
        dict.fromkeys(("series_id", "prefix", "watch", "status", "kind", "review", "began"), "a")
        | {"from_": 1, "to": 2},
    ),
    "follow_alerts": (
        "stream_alerts",
        (),
        dict.fromkeys(("series_id", "prefix", "watch", "status", "kind", "last_id"), "a"),
    ),
    "alert": ("get_alert", (JOB_ID,), {}),
    "acknowledge": ("acknowledge", (JOB_ID,), {}),
    "review": ("review_alert", (JOB_ID, "incident"), {"note": "a"}),
    "series": ("get_series", ("boiler",), {}),
    "list_series": ("list_series", ("boi",), {}),
    "versions": ("list_versions", ("boiler",), {}),
    "version": ("get_version", ("boiler", 1), {}),
    "pin": ("pin_version", ("boiler", 1), {}),
    "unpin": ("unpin_version", ("boiler",), {}),
    "delete_series": ("delete_series", ("boiler",), {}),
    "delete_version": ("delete_version", ("boiler", 1), {}),
    "detectors": ("list_detectors", (), {}),
}
SCHEMAS = {  # answers whose names differ from those of the document
    "Alert": "AlertAnswer",
    "Applied": "AppliedAnswer",
    "Change": "ChangeAnswer",
    "Detector": "DetectorAnswer",
    "JobState": "AcceptedJob",
    "Peak": "PeakAnswer",
    "Pushed": "PushAnswer",
    "PushedMany": "LinesAnswer",
    "RefusedLine": "LineProblem",
    "Series": "SeriesAnswer",
    "SeriesVerdict": "PointVerdict",
    "SimulatedFit": "SimulatedFitAnswer",
    "Simulation": "SimulationAnswer",
    "StoredPoints": "StoredPointsAnswer",
    "Stream": "StreamAnswer",
    "Version": "VersionAnswer",
    "Watch": "WatchAnswer",
}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    settings = make_settings(database_url="postgresql://localhost/tsad", redis_url="redis://localhost")
    document: dict[str, Any] = create_app(settings).openapi()
    return document


def described(document: dict[str, Any], operation_id: str) -> tuple[str, str, dict[str, Any]]:
    """Method, path and description of an operation."""
    return next(
        (method.upper(), path, found)
        for path, methods in document["paths"].items()
        for method, found in methods.items()
        if found["operationId"] == operation_id
    )


def first_call(name: str, client: Client) -> Call:
    """The first call of an operation."""
    _, args, kwargs = CALLS[name]
    if name == "follow_alerts":
        return client.follow_alerts(**kwargs)._progress.call  # noqa: SLF001
    owner, _, method = name.rpartition(".")
    bound: Callable[..., Any] = getattr(Job(client, STATE) if owner else client, method)
    step = next(inspect.unwrap(bound)(*args, **kwargs))
    assert isinstance(step, Call)
    return step


def operations_of(kind: type, prefix: str = "") -> set[str]:
    """The names of all operations of a class."""
    return {
        prefix + name
        for base in kind.__mro__
        for name, member in vars(base).items()
        if isinstance(member, operation | job_operation)
    }


def test_the_table_of_calls_has_every_operation() -> None:
    assert operations_of(Operations) | operations_of(Job, "Job.") | {"follow_alerts"} == CALLS.keys()


@pytest.mark.parametrize("name", list(CALLS))
def test_the_document_has_each_request_with_its_parameters_and_body(document: dict[str, Any], name: str) -> None:
    with Client("http://127.0.0.1:1") as client:
        call = first_call(name, client)
        method, path, found = described(document, CALLS[name][0])
        assert (call.method, call.path) == (method, path)
        parameters = found.get("parameters", ())
        allowed = {place: {one["name"] for one in parameters if one["in"] == place} for place in ("path", "query")}
        assert call.names.keys() == allowed["path"]
        assert call.query.keys() <= allowed["query"]
        assert call.headers.keys() <= {one["name"] for one in parameters if one["in"] == "header"}
        assert ("requestBody" in found) == (call.content is not None)
        if call.content is not None:
            content = found["requestBody"]["content"][call.media_type]
            schema = content.get("x-item-schema", content["schema"])
            body = json.loads(call.content.split(b"\n")[0])
            assert (
                body.keys() <= document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]["properties"].keys()
            )
        assert request_of(client._http, call).url.path == re.sub(r"{(\w+)}", lambda match: call.names[match[1]], path)  # noqa: SLF001


def structs() -> Iterator[type[msgspec.Struct]]:
    kinds = [
        kind for module in (answers, verdicts, watching) for kind in vars(module).values() if isinstance(kind, type)
    ]
    yield from (
        kind for kind in dict.fromkeys(kinds) if issubclass(kind, answers.Answer) and kind is not answers.Answer
    )
    yield from (errors.Problem, errors.Flaw)


@pytest.mark.parametrize("kind", list(structs()), ids=lambda kind: kind.__name__)
def test_the_document_has_each_field_that_the_client_reads(
    document: dict[str, Any], kind: type[msgspec.Struct]
) -> None:
    schemas = document["components"]["schemas"]
    schema = schemas[SCHEMAS.get(kind.__name__, kind.__name__)]
    properties = schema["properties"] | (schemas["JobAnswer"]["properties"] if kind is JobState else {})
    for field in msgspec.structs.fields(kind):
        assert field.name in properties
        if field.required:
            assert field.name in schema["required"], f"{field.name} may be absent"
        may_be_null = {"type": "null"} in properties[field.name].get("anyOf", ())
        assert not may_be_null or types.NoneType in typing.get_args(field.type), f"{field.name} may be null"


def test_both_clients_have_the_same_operations_with_the_same_signatures() -> None:
    blocking, awaiting = Client("http://127.0.0.1:1"), AsyncClient("http://127.0.0.1:1")
    for name in operations_of(Operations):
        assert inspect.signature(getattr(blocking, name)) == inspect.signature(getattr(awaiting, name))
        assert getattr(Client, name).__doc__
    blocking.close()
