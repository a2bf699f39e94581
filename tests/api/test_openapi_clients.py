"""The OpenAPI document is enough to use the API: its examples are true, and a generated client runs the tour."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

from shared.settings import Settings
from tests.docs import answers
from tests.docs.markdown import ROOT, Block, blocks
from tests.processes import running, separate_settings, serving, wait_for_worker
from tests.waiting import until

RECIPE = ROOT / "docs/how-to/generate-a-client.md"
# In this order; the others change nothing, or need an open or a failed job.
CALLS = (
    *("livez", "readyz", "fit", "get_job", "predict", "predict_batch", "predict_many", "get_version"),
    *("get_training_data", "stream_job", "pin_version", "fit_many", "refit", "healthcheck", "delete_series", "predict"),
)


@pytest.fixture(scope="module")
def service(settings: Settings, server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """An empty installation with a worker."""
    folder = tmp_path_factory.mktemp("clients")
    with (
        separate_settings(settings, server_url, 5) as own,
        serving(own) as client,
        running(own, folder, "worker") as worker,
    ):
        wait_for_worker(worker)
        until(lambda: client.get("/readyz").json()["status"] == "ready")
        yield client


@pytest.fixture(scope="module")
def document(service: httpx.Client) -> dict[str, Any]:
    document: dict[str, Any] = service.get("/openapi.json").json()
    return document


def operation(document: dict[str, Any], operation_id: str) -> tuple[str, str, dict[str, Any]]:
    """Method, path and description of an operation."""
    return next(
        (method, path, described)
        for path, methods in document["paths"].items()
        for method, described in methods.items()
        if described["operationId"] == operation_id
    )


def sent(service: httpx.Client, document: dict[str, Any], operation_id: str, job_id: str) -> httpx.Response:
    """The response to the example of an operation."""
    method, path, described = operation(document, operation_id)
    path = path.format(series_id="boiler", version="1", job_id=job_id)
    ((media_type, body),) = described.get("requestBody", {"content": {"": {}}})["content"].items()
    example = body.get("example")
    content = example if media_type == "application/x-ndjson" else example and json.dumps(example)
    return service.request(method, path, content=content, params={"wait": 30} if operation_id == "get_job" else {})


def check(document: dict[str, Any], schema: dict[str, Any], value: Any) -> None:
    jsonschema.Draft202012Validator(schema | {"components": document["components"]}).validate(value)


def compare(example: str, response: str) -> None:
    """Fail unless the texts are equal but for ids, times and other values that differ from run to run."""
    shown, actual = answers.Names().normalized(example), answers.Names().normalized(response)
    shown_values, actual_values = answers.values(shown), answers.values(actual)
    if shown_values is None or actual_values is None:
        assert actual == shown
    else:
        answers.check(shown_values, actual_values)


def test_every_example_is_a_request_that_works_or_its_response(service: httpx.Client, document: dict[str, Any]) -> None:
    job_id, compared = "", []
    for operation_id in CALLS:
        answer = sent(service, document, operation_id, job_id)
        responses = operation(document, operation_id)[2]["responses"]
        content = responses.get(str(answer.status_code), responses["default"])["content"]
        described = content[answer.headers["Content-Type"].partition(";")[0]]
        if answer.headers["Content-Type"].endswith("json"):
            check(document, described.get("x-item-schema", described["schema"]), answer.json())
        if (example := described.get("example")) is not None:
            compared.append(operation_id)
            text = example if isinstance(example, str) else json.dumps(example)
            response = answer.text if isinstance(example, str) else json.dumps(answer.json())
            compare(text, re.sub(r"(?m)^id: \d+$", "id: 3", response))  # the number of changes varies
        if operation_id in ("fit", "fit_many", "refit"):
            job_id = answer.json()["job_id"]
            service.get(f"/jobs/{job_id}", params={"wait": 30})
    assert [name for name in CALLS if name not in compared] == ["pin_version"]


def test_every_body_example_matches_its_schema(document: dict[str, Any]) -> None:
    contents = [
        content
        for methods in document["paths"].values()
        for described in methods.values()
        for part in (described.get("requestBody", {}), *described["responses"].values())
        for content in part.get("content", {}).values()
    ]
    with_examples = [content for content in contents if "example" in content]
    for content in with_examples:
        lines = "x-item-schema" in content
        check(
            document,
            content["x-item-schema" if lines else "schema"],
            json.loads(content["example"]) if lines else content["example"],
        )
    assert len(with_examples) > 40


@pytest.fixture(scope="module")
def client_folder(service: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package that the recipe generates."""
    folder = tmp_path_factory.mktemp("generated")
    (folder / "client.yaml").write_text(next(block.content for block in recipe() if block.language == "yaml"))
    command = next(block.content for block in recipe() if block.language == "sh")
    address = str(service.base_url).rstrip("/")
    arguments = command.replace("\\\n", " ").replace("http://127.0.0.1:8000", address).split()
    assert arguments.pop(0) == "openapi-python-client"
    result = run(folder, "-m", "openapi_python_client", *arguments)
    assert "WARNING" not in result.stdout + result.stderr, result.stdout + result.stderr
    return folder


def recipe() -> list[Block]:
    """The fenced blocks of the recipe, without the indentation of its list."""
    return blocks(re.sub(r"(?m)^   ", "", RECIPE.read_text()))


def run(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {"PATH": str(Path(sys.executable).parent), "no_proxy": "127.0.0.1"}
    command = [sys.executable, *arguments]
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result


def test_the_recipe_prints_what_it_shows(service: httpx.Client, client_folder: Path) -> None:
    program = next(block.content for block in recipe() if block.language == "python")
    program = program.replace("http://127.0.0.1:8000", str(service.base_url).rstrip("/"))
    assert f"This prints `{run(client_folder, '-c', program).stdout.strip()}`" in RECIPE.read_text()


def test_a_generated_client_runs_the_tour(service: httpx.Client, client_folder: Path) -> None:
    shutil.copy(Path(__file__).with_name("tour.py"), client_folder)
    address = str(service.base_url).rstrip("/")
    assert run(client_folder, "tour.py", address).stdout == "done\n"
