"""Points that a person types or uploads on the plot page, to see how they would be scored."""

import gzip
import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.charts import opened, traces
from tests.browser.chromium import Watch
from tests.points import ramp

MARKUP = "<img src=x onerror=alert(1)><script>alert(1)</script>"


def check(page: Page, lines: str) -> None:
    page.get_by_label("One point per line").fill(lines)
    page.get_by_role("button", name="Score").click()


def test_typed_points_are_checked_listed_and_drawn(page: Page, peaked: str) -> None:
    chart = opened(page, peaked)
    check(page, "timestamp,value\n2023-11-14T23:13:20Z,2\n\n2023-11-14T23:14:20Z, 95.5\n2023-11-14 23:15:20Z,-1e3")
    expect(page.locator("#verdict")).to_have_text("Anomalies: 2 of 3.")
    rows = page.locator("#verdicts tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.nth(0)).to_contain_text(re.compile(r"2023-11-14 23:13:20\s*2\s*normal"))
    expect(rows.nth(1)).to_contain_text(re.compile(r"2023-11-14 23:14:20\s*95.5\s*anomaly"))
    drawn = traces(chart)["tried"]
    assert (drawn["x"][1], drawn["y"]) == (1_700_003_660_000, [2, 95.5, -1000])
    assert drawn["marker"]["symbol"] == ["circle-open", "diamond", "diamond"]
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#verdicts")).to_be_hidden()
    assert traces(chart)["tried"]["x"] == []


def test_points_after_the_training_data_are_checked_with_the_points_before_them(
    page: Page, series_id: str, fitted: Callable[..., str]
) -> None:
    fitted(series_id, ramp(400, detector="msnn"))
    opened(page, series_id)
    expect(page.locator("#detail")).to_contain_text("There is no band")
    after = [1_700_000_000 + 60 * place for place in range(400, 405)]
    check(page, "\n".join(f"{at},{value}" for at, value in zip(after, [0, 1, 2, 3, 77], strict=True)))
    expect(page.locator("#verdict")).to_have_text("Anomalies: 1 of 5.")
    expect(page.locator("#verdicts tbody tr").last).to_contain_text("anomaly")


def test_a_file_of_points_is_checked(page: Page, peaked: str, tmp_path: Path) -> None:
    opened(page, peaked)
    file = tmp_path / "points.csv.gz"
    file.write_bytes(
        gzip.compress('Datum;Wert\r\n14.11.2023 23:13:20;"1,5"\r\n14.11.2023 23:14:20;"1,5"\r\n'.encode("utf-16"))
    )
    page.locator("#file").set_input_files(file)
    expect(page.locator("#verdict")).to_have_text("Anomalies: 0 of 2.")
    expect(page.locator("#verdicts tbody tr").last).to_contain_text("2023-11-14 23:14:20")
    expect(page.locator("#tryout-notes li").first).to_have_text("points.csv.gz")


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("", "The text contains no points."),
        ("time,value\n1700003600,1\n1700003660,2\nyesterday,2", "(column 'time', row 2) is not a time"),
        ("21,5\n22,0", "decimal comma"),
        (f"1700003600,1\n1700003660,{MARKUP}", f"'{MARKUP[:40]}' (column 'column 2', row 2) is not a number."),
    ],
)
def test_invalid_lines_are_explained(page: Page, watch: Watch, peaked: str, lines: str, sentence: str) -> None:
    watch.expected.append("422")
    opened(page, peaked)
    check(page, lines)
    expect(page.get_by_role("alert")).to_contain_text(sentence)
    expect(page.locator("#verdicts")).to_be_hidden()
    expect(page.locator("main img, main script[src]")).to_have_count(0)


def test_the_page_shows_the_errors_of_the_server(page: Page, watch: Watch, api: httpx.Client, peaked: str) -> None:
    watch.expected.append("404")
    opened(page, peaked)
    api.delete(f"/series/{peaked}")
    check(page, "1700003600,1\n1700003660,2")
    expect(page.get_by_role("alert")).to_contain_text("This series has no version")
