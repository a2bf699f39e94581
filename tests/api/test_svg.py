import xml.etree.ElementTree as ET
from collections.abc import Callable

import httpx
import pytest

from tests.points import ramp

SVG = "{http://www.w3.org/2000/svg}"


def parsed(picture: str) -> ET.Element:
    return ET.fromstring(picture)  # noqa: S314 - our own


def paths(picture: str) -> list[str]:
    return [path.get("d", "") for path in parsed(picture).iter(f"{SVG}path")]


def texts(picture: str) -> list[str]:
    return [text.text or "" for text in parsed(picture).iter(f"{SVG}text")]


@pytest.fixture
def peaked(series_id: str, fitted: Callable[..., str]) -> str:
    fitted(series_id, ramp(60, values=[*ramp(59)["values"], 90.0]))
    return f"/plot.svg?series_id={series_id}"


def test_a_picture_shows_values_anomalies_and_labels(api: httpx.Client, series_id: str, peaked: str) -> None:
    answer = api.get(f"{peaked}&width=800&height=300")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/svg+xml")
    picture = parsed(answer.text)
    assert (picture.get("width"), picture.get("height")) == ("800", "300")
    assert f"{series_id} · version 1 · baseline"[:60] in texts(answer.text)[0]
    assert "60 points, 1.7 % anomalous, 2023-11-14 22:13 to 2023-11-14 23:12 UTC" in texts(answer.text)[1]
    assert {"0", "50", "22:20", "23:00"} <= set(texts(answer.text))
    (line,) = (path for path in paths(answer.text) if path.count("L") == 59)
    x, y = line.rpartition("L")[2].split()
    (diamond,) = (path for path in paths(answer.text) if path.endswith("z"))
    assert diamond.startswith(f"M{x} {y}m"), "the anomaly is the last point"


def test_a_theme_changes_only_colors(api: httpx.Client, peaked: str) -> None:
    light, dark = (api.get(f"{peaked}&theme={theme}").text for theme in ("light", "dark"))
    assert light != dark
    assert paths(light) == paths(dark)
    assert texts(light) == texts(dark)


@pytest.mark.parametrize(
    "query",
    ["width=199", "width=4001", "height=119", "height=2001", "width=x", "theme=%22%3E%3Cscript%3E", "width=1e3"],
)
def test_invalid_sizes_and_themes_are_refused(api: httpx.Client, peaked: str, query: str) -> None:
    answer = api.get(f"{peaked}&{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


@pytest.mark.parametrize("size", ["width=200&height=120", "width=4000&height=2000", "width=200&height=2000"])
@pytest.mark.parametrize("detector", ["baseline", "msnn"])
def test_the_line_stays_inside_the_picture_at_any_size(
    api: httpx.Client, series_id: str, fitted: Callable[..., str], size: str, detector: str
) -> None:
    fitted(series_id, ramp(200, detector=detector))
    answer = api.get(f"/plot.svg?series_id={series_id}&{size}")
    width, height = (int(part.partition("=")[2]) for part in size.split("&"))
    (line,) = (path for path in paths(answer.text) if path.count("L") > 50 and not path.endswith("Z"))
    points = [tuple(map(float, point.split())) for point in line[1:].split("L")]
    assert all(0 <= x <= width and 0 <= y <= height for x, y in points)


@pytest.mark.parametrize(
    "values",
    [[1e150, -1e149, 0.0], [5e-324, 0.0, 1e-323], [1e12, 1e12 + 1e-3, 1e12], [-1e-310, 1e-310, 0.0], [0.0, 1.0, 1e150]],
)
def test_values_of_any_magnitude_give_finite_coordinates(
    api: httpx.Client, series_id: str, fitted: Callable[..., str], values: list[float]
) -> None:
    fitted(series_id, {"timestamps": [0, 1, 253402300799], "values": values})
    picture = api.get(f"/plot.svg?series_id={series_id}").text
    assert "nan" not in "".join(paths(picture))
    assert "inf" not in "".join(paths(picture))


def test_a_picture_is_sent_again_only_if_it_changed(
    api: httpx.Client, peaked: str, series_id: str, fitted: Callable[..., str]
) -> None:
    first = api.get(peaked)
    same = api.get(peaked, headers={"If-None-Match": first.headers["ETag"]})
    assert (same.status_code, same.content) == (304, b"")
    assert api.get(f"{peaked}&theme=dark", headers={"If-None-Match": first.headers["ETag"]}).status_code == 200
    fitted(series_id)
    assert api.get(peaked, headers={"If-None-Match": first.headers["ETag"]}).status_code == 200


def test_a_picture_has_no_external_references(api: httpx.Client, peaked: str) -> None:
    text = api.get(peaked).text.replace('xmlns="http://www.w3.org/2000/svg"', "")
    for word in ("http", "//", "url(", "<script", "<style", "href"):
        assert word not in text


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("", 422, "invalid_request"),
        ("series_id=%3Cscript%3E", 422, "invalid_series_id"),
        ("series_id=nobody-knows", 404, "series_not_found"),
        ("series_id=nobody-knows&version=x", 422, "invalid_version"),
    ],
)
def test_an_invalid_picture_request_is_a_problem(api: httpx.Client, query: str, status: int, code: str) -> None:
    answer = api.get(f"/plot.svg?{query}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
