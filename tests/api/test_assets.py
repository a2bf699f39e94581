import re
from collections.abc import Callable

import httpx


def test_page_assets_are_served_locally_and_cached_for_a_year(
    api: httpx.Client, series_id: str, fitted: Callable[..., str]
) -> None:
    fitted(series_id)
    page = api.get(f"/plot?series_id={series_id}").text
    sources = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert not [source for source in sources if not source.startswith(("./", "#"))]
    files = {source[2:] for source in sources if source.startswith("./static/")}
    names = {file.rpartition("/")[2] for file in files}
    assert names == {"icon.svg", "style.css", "theme.js", "plotly.min.js", "chart.js", "plot.js"}
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
    files = [source for source in sources if "static/" in source]
    assert len(files) > 5
    for file in files:
        assert api.get(file.removeprefix(".")).status_code == 200
    assert all(source.startswith(("./", "#")) for source in sources)
    assert api.get("/").status_code in (200, 307)
    document = api.get("/openapi.json").json()
    from shared import __version__  # noqa: PLC0415

    assert document["info"]["version"] == __version__
