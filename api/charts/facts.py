"""What a version is, for people: its result, its detector, its origin."""

from datetime import UTC, datetime

from api.charts.anomalies import count
from api.charts.histories import History
from api.pages import writing
from shared.domain.detectors import named
from shared.domain.versions import Version

Facts = list[tuple[str, list[tuple[str, str]]]]


def facts(version: Version, history: History, *, has_band: bool) -> Facts:
    """Return three groups of names and values. Technical values are in the version's JSON instead."""
    return [
        ("Result", _result(version, history, has_band=has_band)),
        ("Detector", _detector(version)),
        ("Origin", _origin(version, history)),
    ]


def _result(version: Version, history: History, *, has_band: bool) -> list[tuple[str, str]]:
    flagged = f"{history.flagged:,} of {version.points:,} points"
    if len(history.scores.score) < version.points:
        flagged = f"at least {flagged}"
    bounds = history.typical_band if has_band else None
    return [
        ("anomalies", f"{count(history):,}"),
        ("flagged", f"{flagged} ({writing.share(version.anomaly_share)})"),
        ("normal", "no band: this detector scores stretches of values" if bounds is None else writing.between(*bounds)),
    ]


def _detector(version: Version) -> list[tuple[str, str]]:
    parameters = {
        name: writing.parameter(value) for name, value in version.parameters.items() if value not in ([], "off")
    }
    learned = {name: writing.parameter(value) for name, value in version.learnt.items() if name not in parameters}
    learned.pop("train_anomaly_fraction", None)  # the share of flagged points is among the results
    named_values = [(name.replace("_", " "), value) for name, value in (parameters | learned).items()]
    return [(version.detector, named(version.detector).purpose), *named_values]


def _origin(version: Version, history: History) -> list[tuple[str, str]]:
    times = history.series.timestamps
    interval = (int(times[-1]) - int(times[0])) / max(len(times) - 1, 1)
    first, last = (writing.moment(datetime.fromtimestamp(int(times[place]), UTC)) for place in (0, -1))
    return [
        ("points", f"{version.points:,}, one every {writing.duration(interval)} on average"),
        ("from", first),
        ("to", last),
        ("fitted", f"{writing.moment(version.created_at)} in {writing.duration(version.fit_ms / 1000)}"),
    ]
