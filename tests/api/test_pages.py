import gzip
import json
import re
from collections.abc import Callable

import httpx
import numpy as np
import pytest

from tests.points import ramp


def figure_of(page: str) -> dict[str, list[dict[str, object]]]:
    found = re.search(r'<script type="application/json" id="figure">(.*?)</script>', page, re.DOTALL)
    assert found
    figure: dict[str, list[dict[str, object]]] = json.loads(found[1])
    return figure


def test_a_plot_shows_values_band_and_anomalies(api: httpx.Client, series_id: str, fitted: Callable[..., str]) -> None:
    fitted(series_id, ramp(60, values=[*ramp(59)["values"], 90.0]))
    answer = api.get(f"/plot?series_id={series_id}")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    names = [trace.get("name") for trace in figure_of(answer.text)["data"]]
    assert {"value", "normal band", "expected", "anomaly"} <= set(names)
    assert "1 anomalies" in answer.text
    assert "2023-11-14 22:13:20 UTC (1700000000)" in answer.text


def test_a_plot_leads_to_the_versions_around_it(api: httpx.Client, series_id: str, fitted: Callable[..., str]) -> None:
    for _ in range(3):
        fitted(series_id)
    page = api.get(f"/plot?series_id={series_id}&version=2").text
    for version in (1, 3):
        assert f"plot?series_id={series_id}&amp;version={version}" in page
    assert "latest, 3" in page


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("", 422, "invalid_request"),
        ("series_id=", 422, "invalid_series_id"),
        ("series_id=%3Cscript%3E", 422, "invalid_series_id"),
        ("series_id=nobody-knows", 404, "series_not_found"),
        ("series_id=nobody-knows&version=x", 422, "invalid_version"),
    ],
)
def test_a_plot_of_nothing_is_a_problem(api: httpx.Client, query: str, status: int, code: str) -> None:
    answer = api.get(f"/plot?{query}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_plot_of_many_points_is_small_and_keeps_every_extreme(
    api: httpx.Client, series_id: str, fitted: Callable[..., str]
) -> None:
    random = np.random.default_rng(7)
    values = random.normal(0, 1, 200_000)
    values[[12_345, 150_001]] = 30.0, -40.0
    fitted(series_id, {"timestamps": list(range(200_000)), "values": values.tolist()})
    answer = api.get(f"/plot?series_id={series_id}")
    assert len(answer.content) < 500_000
    (shown,) = (trace for trace in figure_of(answer.text)["data"] if trace.get("name") == "value")
    encoded = shown["y"]
    assert isinstance(encoded, dict)
    import base64  # noqa: PLC0415

    drawn = np.frombuffer(base64.b64decode(encoded["bdata"]), dtype=np.float64)
    assert drawn.max() == 30.0
    assert drawn.min() == -40.0


def test_what_a_page_needs_comes_from_here_and_is_kept_for_a_year(
    api: httpx.Client, series_id: str, fitted: Callable[..., str]
) -> None:
    fitted(series_id)
    page = api.get(f"/plot?series_id={series_id}").text
    sources = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert not [source for source in sources if source.startswith(("http", "//"))]
    files = [source for source in sources if source.startswith("static/")]
    assert len(files) == 3
    for file in files:
        answer = api.get(f"/{file}")
        assert answer.status_code == 200
        assert "immutable" in answer.headers["Cache-Control"]
        assert answer.headers["Content-Encoding"] == "gzip"
    assert "immutable" not in api.get("/static/000000000000/style.css").headers["Cache-Control"]
    assert api.get("/static/000000000000/../../main.py").status_code == 404
    assert api.get("/static/000000000000/none.js").status_code == 404


def test_the_interactive_documentation_needs_no_other_host(api: httpx.Client) -> None:
    page = api.get("/docs")
    assert page.status_code == 200
    sources = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(sources) == 3
    for source in sources:
        assert source.startswith(("static/", "data:"))
        assert source.startswith("data:") or api.get(f"/{source}").status_code == 200
    assert api.get("/").status_code in (200, 307)
    document = api.get("/openapi.json").json()
    from shared import __version__  # noqa: PLC0415

    assert document["info"]["version"] == __version__


def test_every_route_is_documented_with_its_answer(api: httpx.Client) -> None:
    document = api.get("/openapi.json").json()
    components = document["components"]["schemas"]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            success = [status for status in operation["responses"] if status.startswith("2")]
            assert success, (method, path)
            assert "application/problem+json" in operation["responses"]["default"]["content"], (method, path)
    references = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert references <= set(components)
    assert gzip.compress(json.dumps(document).encode())


def test_ids_in_pages_are_text_whatever_they_are(api: httpx.Client, fitted: Callable[..., str]) -> None:
    fitted("a.b_c-d")
    assert "<h1>a.b_c-d</h1>" in api.get("/plot?series_id=a.b_c-d").text
