"""Documents of watches: complete defaults, and a flaw for every wrong field."""

from typing import Any

import pytest

from shared.domain.watching.watches import Watch, by_prefix, parse, watch_of
from shared.errors import Code, InputError

DAY = 86_400
COMPLETE = {
    "prefix": "plant7.",
    "detector": "auto",
    "parameters": {},
    "window": "28d",
    "timezone": "UTC",
    "refit": {"every": "1d", "at": None},
    "keep_versions": None,
    "open": {"anomalies": 2, "of": 3, "at_once": 3.0},
    "close": {"normal": 5, "below": 0.8, "after": "7d"},
    "merge_within": "30m",
    "gates": {"direction": "both", "min_abs": None},
    "silence": "auto",
    "notify_within": "1h",
    "notify": {"receivers": [], "at_most": {"messages": 20, "per": "1d"}, "group_wait": "30s"},
}


def flaws_of(document: Any) -> dict[str, str]:
    with pytest.raises(InputError) as raised:
        parse("w", document, max_window_s=35 * DAY)
    assert raised.value.code == Code.INVALID_WATCH
    return {".".join(map(str, flaw.loc)): flaw.msg for flaw in raised.value.flaws}


def test_a_prefix_alone_is_a_complete_watch_and_its_document_makes_the_same_watch() -> None:
    watch = parse("w", {"prefix": "plant7."}, max_window_s=35 * DAY)
    assert watch.document() == COMPLETE
    assert parse("w", watch.document(), max_window_s=35 * DAY) == watch


@pytest.mark.parametrize(
    ("change", "location", "reason"),
    [
        ({"prefix": "a b"}, "prefix", "letters"),
        ({"prefix": None}, "prefix", "letters"),
        ({"opened": {}}, "opened", "unknown"),
        ({"open": {"anomalies": 4}}, "open.anomalies", "must not exceed open.of"),
        ({"open": {"of": 65}}, "open.of", "from 1 to 64"),
        ({"open": {"anomalies": True}}, "open.anomalies", "whole number"),
        ({"open": {"at_once": 1}}, "open.at_once", "greater than 1"),
        ({"open": {"at_once": float("nan")}}, "open.at_once", "greater than 1"),
        ({"open": []}, "open", "object"),
        ({"open": {"often": 1}}, "open.often", "unknown"),
        ({"close": {"below": None}}, "close.below", "greater than 0"),
        ({"close": {"below": 1.5}}, "close.below", "at most 1"),
        ({"close": {"after": "7 days"}}, "close.after", "as in 30m"),
        ({"window": "36d"}, "window", "KEEP_POINTS_DAYS"),
        ({"merge_within": 30}, "merge_within", "as in 30m"),
        ({"gates": {"direction": "sideways"}}, "gates.direction", "both, up, down"),
        ({"gates": {"min_abs": 0}}, "gates.min_abs", "greater than 0"),
        ({"silence": "0s"}, "silence", "auto, off"),
        ({"silence": None}, "silence", "auto, off"),
        ({"notify_within": "0s"}, "notify_within", "1s to 366d"),
        ({"detector": "outo"}, "detector", "Available detectors"),
        ({"detector": 3}, "detector", "Available detectors"),
        ({"parameters": {"alarm_rate": "often"}}, "parameters.alarm_rate", "1 per day"),
        ({"parameters": {"alarm_rat": "off"}}, "parameters.alarm_rat", ""),
        ({"parameters": []}, "parameters", "object"),
        ({"detector": "msnn", "gates": {"direction": "up"}}, "gates.direction", "the detector msnn has none"),
        (
            {"detector": "spectral_residual", "gates": {"min_abs": 2}},
            "gates.min_abs",
            "spectral_residual has none",
        ),
        ({"notify": {"receivers": ["a"] * 21}}, "notify.receivers", "at most 20 names"),
        ({"notify": {"receivers": "oncall"}}, "notify.receivers", "names"),
        ({"notify": {"at_most": {"messages": 0}}}, "notify.at_most.messages", "from 1"),
        ({"notify": {"at_most": {"every": "1d"}}}, "notify.at_most.every", "unknown"),
        ({"notify": {"group_wait": "2d"}}, "notify.group_wait", "from 0s to 1d"),
        ({"refit": "daily"}, "refit", "must be off, or an object"),
        ({"refit": None}, "refit", "must be off, or an object"),
        ({"refit": {"every": "9m"}}, "refit.every", "10m to 366d"),
        ({"refit": {"every": 3_600}}, "refit.every", "as in 30m"),
        ({"refit": {"at": "24:00"}}, "refit.at", "as in 03:00"),
        ({"refit": {"at": "3:00"}}, "refit.at", "as in 03:00"),
        ({"refit": {"every": "36h", "at": "03:00"}}, "refit.at", "it is 36h"),
        ({"refit": {"often": "1d"}}, "refit.often", "unknown"),
        ({"keep_versions": 0}, "keep_versions", "from 1 to 1,000"),
        ({"keep_versions": True}, "keep_versions", "whole number"),
        ({"timezone": "Europe/Berlim"}, "timezone", "did you mean Europe/Berlin?"),
        ({"timezone": 1}, "timezone", "IANA"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, Any], location: str, reason: str) -> None:
    flaws = flaws_of({"prefix": "a.", **change})
    assert list(flaws) == [location]
    assert reason in flaws[location]


def test_all_wrong_fields_are_named_at_once() -> None:
    assert set(flaws_of({"open": {"of": 0}, "x": 1, "silence": 1})) == {"prefix", "open.of", "x", "silence"}
    assert set(flaws_of([])) == {"", "prefix"}
    parameters = {"alarm_rate": "often", "cycle": "long", "windw": 1}
    assert set(flaws_of({"prefix": "a", "parameters": parameters, "detector": "auto"})) >= {
        "parameters.alarm_rate", "parameters.windw"
    }  # fmt: skip


def test_a_stored_document_of_another_release_is_read() -> None:
    document = COMPLETE | {"refit": {"every": "1d"}, "new": 1, "window": "10d"}
    assert parse("w", document, max_window_s=35 * DAY, stored=True).window_s == 10 * DAY


def test_the_longest_prefix_wins() -> None:
    watches = by_prefix([Watch("all", ""), Watch("plant", "plant7."), Watch("pumps", "plant7.pump")])
    names = {
        series_id: watch.name
        for series_id in ("plant7.pump3", "plant7.x", "cpu")
        if (watch := watch_of(series_id, watches))
    }
    assert names == {"plant7.pump3": "pumps", "plant7.x": "plant", "cpu": "all"}
    assert watch_of("cpu", watches[:2]) is None
