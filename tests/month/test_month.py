"""A short month keeps every promise. `python3 run month` has longer ones."""

from shared.settings import Settings
from tests.month.running import Options, Report, run

SHORT = Options(seed=3, days=2.5, series=10, tick_s=1_800)


def pass_month(server_url: str, settings: Settings, options: Options = SHORT) -> Report:
    return run(options, server_url, settings, lambda _line: None)


def test_a_short_month_keeps_every_promise(server_url: str, settings: Settings) -> None:
    report = pass_month(server_url, settings)
    assert report.passed, report.text()
    assert report.figures["slots"] > 15
    assert report.figures["alerts (silence)"]
