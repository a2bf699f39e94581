"""The OpenAPI document matches what the routes return."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import jsonschema
import pytest

from api.problems import MEDIA_TYPE
from shared import __version__
from shared.domain.detectors import registry
from shared.domain.jobs import Status
from tests.points import ramp


@pytest.fixture(scope="module")
def document(api: httpx.Client) -> dict[str, Any]:
    document: dict[str, Any] = api.get("/openapi.json").json()
    return document


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def check(document: dict[str, Any], name: str, body: Any) -> None:
    schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    jsonschema.Draft202012Validator(schema).validate(body)


def test_the_document_names_the_product_and_its_version(document: dict[str, Any]) -> None:
    assert document["info"]["title"] == "tsad"
    assert document["info"]["version"] == __version__


def test_every_reference_resolves(document: dict[str, Any]) -> None:
    all_references = set(references(document))
    assert all_references
    for reference in all_references:
        place: Any = document
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


def test_every_route_describes_its_parameters_and_errors(document: dict[str, Any]) -> None:
    names = []
    for path, method, operation in operations(document):
        route = f"{method} {path}"
        assert operation["summary"].endswith("."), route
        assert operation.get("description", ".").endswith("."), route
        assert operation["responses"]["default"]["content"].keys() == {MEDIA_TYPE}, route
        path_parameters = {
            parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "path"
        }
        assert path_parameters == set(re.findall(r"{(\w+)}", path)), route
        names.append(operation["operationId"])
    assert len(set(names)) == len(names)


def test_operation_ids_are_names_for_functions(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert names[:4] == ["fit", "predict", "predict_batch", "predict_many"]
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", name) for name in names)


def test_every_field_is_described(document: dict[str, Any]) -> None:
    undescribed = [
        f"{name}.{field}"
        for name, component in document["components"]["schemas"].items()
        for field, schema in component.get("properties", {}).items()
        if not {"description", "$ref"} & schema.keys()
    ]
    assert undescribed == []


def test_no_pages_and_no_wrong_media_types_are_described(document: dict[str, Any]) -> None:
    media_types = {
        f"{method} {path}": set(operation["responses"][min(operation["responses"])].get("content", {}))
        for path, method, operation in operations(document)
    }
    assert not [route for route in media_types if "/ui/" in route or route in ("get /", "get /plot", "get /docs")]
    others = {route: types for route, types in media_types.items() if types != {"application/json"}}
    assert others == {
        "post /fit": {"application/x-ndjson"},
        "get /jobs/events": {"text/event-stream"},
        "get /alerts/events": {"text/event-stream"},
        "delete /spans/{span_id}": set(),
        "delete /watches/{name}": set(),
        "delete /receivers/{name}": set(),
        "delete /sources/{name}": set(),
        "post /api/v1/write": set(),
        "post /api/v2/write": set(),
        "post /write": set(),
        "get /jobs/{job_id}/events": {"text/event-stream"},
        "get /series/{series_id}/versions/{version}/data": {"application/json", "text/csv"},
        "delete /series/{series_id}/versions/{version}": set(),
        "get /metrics": {"text/plain"},
        "get /metrics/series": {"text/plain"},
        "get /plot.svg": {"image/svg+xml"},
    }


def test_choices_and_formats_are_described(document: dict[str, Any]) -> None:
    bodies = document["components"]["schemas"]
    job, fit = bodies["JobAnswer"]["properties"], bodies["FitBody"]["properties"]
    assert job["created_at"]["format"] == "date-time"
    assert {"type": "string", "format": "date-time"} in job["finished_at"]["anyOf"]
    assert job["job_id"]["format"] == "uuid"
    assert bodies[job["status"]["$ref"].rpartition("/")[2]]["enum"] == sorted(Status)
    assert bodies[fit["detector"]["$ref"].rpartition("/")[2]]["enum"] == list(registry())
    assert {"type": "null"} in bodies["PointsBody"]["properties"]["values"]["items"]["anyOf"]
    assert fit["values"]["items"] == {"type": "number"}


def test_responses_match_the_document(
    api: httpx.Client, document: dict[str, Any], series_id: str, fitted: Callable[..., str]
) -> None:
    job_id = fitted(series_id)
    check(document, "AcceptedJob", api.post(f"/fit/{series_id}", json=ramp()).json())
    check(document, "JobAnswer", api.get(f"/jobs/{job_id}").json())
    check(document, "SeriesPage", api.get("/series").json())
    check(document, "SeriesAnswer", api.get(f"/series/{series_id}").json())
    check(document, "VersionPage", api.get(f"/series/{series_id}/versions").json())
    check(document, "TrainingData", api.get(f"/series/{series_id}/versions/1/data").json())
    check(document, "DetectorList", api.get("/detectors").json())
    check(document, "Health", api.get("/healthcheck").json())
    check(document, "Readiness", api.get("/readyz").json())
    check(document, "Problem", api.get("/jobs/7").json())
    point = {"timestamp": 1, "value": 1}
    check(document, "Verdict", api.post(f"/predict/{series_id}?explain=1", json=point).json())
    check(document, "BatchVerdicts", api.post(f"/predict/{series_id}/batch", json=ramp(3)).json())
    points = {"points": [point | {"series_id": name} for name in (series_id, "never-fitted")]}
    check(document, "ManyVerdicts", api.post("/predict", json=points).json())


def test_request_bodies_match_the_document(document: dict[str, Any]) -> None:
    check(document, "FitBody", ramp(detector="baseline", parameters={"threshold": 3}))
    check(document, "PredictBody", {"timestamp": "1705000010", "value": 13.0, "context": [1, 2]})
    with pytest.raises(jsonschema.ValidationError):
        check(document, "FitBody", {"timestamps": ["1"], "values": [1]})
