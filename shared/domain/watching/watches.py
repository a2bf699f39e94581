"""A watch: the rule by which points of all series with a prefix become alerts, and by which the series are fitted."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.domain import detectors
from shared.domain.detectors.parameters import complete
from shared.domain.series import DAY_S
from shared.domain.timezones import UTC_NAME, checked
from shared.domain.watching import durations
from shared.domain.watching.documents import NAME, Reader
from shared.domain.watching.notify import Notify, parse_notify
from shared.domain.watching.schedules import Schedule
from shared.errors import Code, Flaw, InputError

MAX_OF = 64  # bits of recent verdicts that a stream keeps
DIRECTIONS = ("both", "up", "down")
AUTO, OFF = "auto", "off"
FIELDS = (
    "prefix", "detector", "parameters", "window", "timezone", "refit", "keep_versions", "open", "close", "merge_within",
    "gates", "silence", "notify_within", "notify",
)  # fmt: skip
EVERY_S = 600, 366 * DAY_S  # bounds of `refit.every`
_AT = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_PREFIX = re.compile(r"[A-Za-z0-9._-]{0,128}")


@dataclass(frozen=True, slots=True)
class Watch:
    """A valid watch. All durations are in seconds."""

    name: str
    prefix: str
    detector: str = "auto"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    window_s: int = 28 * 86_400  # that automatic fits learn from
    timezone: str = UTC_NAME  # of `refit.at`
    refit: Schedule | None = field(default_factory=Schedule)  # None: only first fits, and fits of growing series
    keep_versions: int | None = None  # newest automatic versions to keep; None keeps as many as KEEP_VERSIONS says
    anomalies: int = 2  # of the last `of` points open an alert,
    of: int = 3
    at_once: float | None = 3.0  # or one point with this score
    normal: int = 5  # points in a row below `below` end an alert,
    below: float = 0.8
    after_s: int = 7 * 86_400  # or this time without an anomaly
    merge_within_s: int = 1_800  # an anomaly this soon after the end continues the alert
    direction: str = "both"  # of deviations that count
    min_abs: float | None = None  # smallest distance from the expected value that counts
    silence: str | int = AUTO  # auto, off, or seconds without points
    notify_within_s: int = 3_600  # an alert whose newest anomaly arrived later than this is quiet
    notify: Notify = field(default_factory=Notify)
    paused: bool = False
    revision: int = 0

    def document(self) -> dict[str, Any]:
        """Return the complete document, from which `parse` makes the same watch."""
        written = durations.written
        return {
            "prefix": self.prefix,
            "detector": self.detector,
            "parameters": dict(self.parameters),
            "window": written(self.window_s),
            "timezone": self.timezone,
            "refit": OFF if self.refit is None else self.refit.document(),
            "keep_versions": self.keep_versions,
            "open": {"anomalies": self.anomalies, "of": self.of, "at_once": self.at_once},
            "close": {"normal": self.normal, "below": self.below, "after": written(self.after_s)},
            "merge_within": written(self.merge_within_s),
            "gates": {"direction": self.direction, "min_abs": self.min_abs},
            "silence": written(self.silence) if isinstance(self.silence, int) else self.silence,
            "notify_within": written(self.notify_within_s),
            "notify": self.notify.document(),
        }


def check_name(name: str) -> str:
    """Return the name of a watch; raise `InputError` if it is invalid."""
    if not NAME.fullmatch(name):
        reason = "The name of a watch has 1 to 100 letters, digits, dots, dashes and underscores."
        raise InputError(Code.INVALID_WATCH, reason, flaws=[Flaw(("name",), reason)])
    return name


def is_prefix(text: str) -> bool:
    """Whether a text can be the prefix of series ids."""
    return bool(_PREFIX.fullmatch(text))


def parse(
    name: str, document: Any, *, max_window_s: float, paused: bool = False, revision: int = 0, stored: bool = False
) -> Watch:
    """Return the watch of a document; raise an `InputError` that names each wrong field.

    stored: the document was valid when it was stored, maybe by another release: ignore unknown fields.
    """
    reader = _WatchReader(Code.INVALID_WATCH, "The watch")
    fields = reader.fields(document, (), FIELDS, ignore=stored)
    opened = reader.fields(fields.get("open", {}), ("open",), ("anomalies", "of", "at_once"), ignore=stored)
    closed = reader.fields(fields.get("close", {}), ("close",), ("normal", "below", "after"), ignore=stored)
    gates = reader.fields(fields.get("gates", {}), ("gates",), ("direction", "min_abs"), ignore=stored)
    default = Watch(name, "")
    of = reader.integer(opened, ("open", "of"), default.of, 1, MAX_OF)
    anomalies = reader.integer(opened, ("open", "anomalies"), min(default.anomalies, of), 1, MAX_OF)
    if anomalies > of:
        reader.flaw(("open", "anomalies"), f"must not exceed open.of, which is {of}")
    detector, parameters = reader.method(fields)
    direction = reader.choice(gates, ("gates", "direction"), DIRECTIONS)
    min_abs = reader.number(gates, ("gates", "min_abs"), None, 0.0)
    if not stored and not detectors.named(detector).expects:
        reader.gates_without_expected_values(detector, direction, min_abs)
    timezone = reader.timezone(fields)
    watch = Watch(
        name=name,
        prefix=reader.prefix(fields),
        detector=detector,
        parameters=parameters,
        window_s=reader.duration(fields, ("window",), min(default.window_s, int(max_window_s)), 60, max_window_s),
        timezone=timezone,
        refit=reader.refit(fields, timezone, ignore=stored),
        keep_versions=reader.keep_versions(fields),
        anomalies=anomalies,
        of=of,
        at_once=reader.number(opened, ("open", "at_once"), default.at_once, 1.0),
        normal=reader.integer(closed, ("close", "normal"), default.normal, 1, 10_000),
        below=reader.number(closed, ("close", "below"), default.below, 0.0, 1.0) or default.below,
        after_s=reader.duration(closed, ("close", "after"), default.after_s, 60, 366 * 86_400),
        merge_within_s=reader.duration(fields, ("merge_within",), default.merge_within_s, 0, 366 * 86_400),
        direction=direction,
        min_abs=min_abs,
        silence=reader.silence(fields),
        notify_within_s=reader.duration(fields, ("notify_within",), default.notify_within_s, 1, 366 * 86_400),
        notify=parse_notify(reader, fields.get("notify", {}), stored=stored),
        paused=paused,
        revision=revision,
    )
    reader.check()
    return watch


def watch_of(series_id: str, watches: Sequence[Watch]) -> Watch | None:
    """Return the watch with the longest prefix of the id. watches: sorted by `by_prefix`."""
    return next((watch for watch in watches if series_id.startswith(watch.prefix)), None)


def by_prefix(watches: Sequence[Watch]) -> list[Watch]:
    """Sort watches, the longest prefix first."""
    return sorted(watches, key=lambda watch: (-len(watch.prefix), watch.prefix))


class _WatchReader(Reader):
    def prefix(self, fields: Mapping[str, Any]) -> str:
        value = fields.get("prefix")
        if not isinstance(value, str) or not _PREFIX.fullmatch(value):
            self.flaw(("prefix",), "must be 0 to 128 letters, digits, dots, dashes and underscores")
            return ""
        return value

    def silence(self, fields: Mapping[str, Any]) -> str | int:
        value = fields.get("silence", AUTO)
        if value in (AUTO, OFF):
            return str(value)
        seconds = durations.parse(value)
        if seconds is None or not 1 <= seconds <= 366 * 86_400:
            self.flaw(("silence",), "must be auto, off, or a duration from 1s to 366d, as in 10m")
            return AUTO
        return seconds

    def timezone(self, fields: Mapping[str, Any]) -> str:
        try:
            return checked(fields.get("timezone", UTC_NAME))
        except ValueError as error:
            self.flaw(("timezone",), str(error))
            return UTC_NAME

    def keep_versions(self, fields: Mapping[str, Any]) -> int | None:
        given = fields.get("keep_versions") is not None
        return self.integer(fields, ("keep_versions",), 1, 1, 1_000) if given else None

    def refit(self, fields: Mapping[str, Any], timezone: str, *, ignore: bool) -> Schedule | None:
        value = fields.get("refit", {})
        if value == OFF:
            return None
        if not isinstance(value, Mapping):
            self.flaw(("refit",), 'must be off, or an object such as {"every": "1d", "at": "03:00"}')
            return None
        refit = self.fields(value, ("refit",), ("every", "at"), ignore=ignore)
        every_s = self.duration(refit, ("refit", "every"), DAY_S, *EVERY_S)
        at = refit.get("at")
        if at is None:
            return Schedule(every_s)
        match = _AT.fullmatch(at) if isinstance(at, str) else None
        if match is None:
            self.flaw(("refit", "at"), "must be a time of day from 00:00 to 23:59, as in 03:00")
            return None
        if every_s % DAY_S:
            self.flaw(("refit", "at"), f"needs refit.every in whole days, as in 1d; it is {durations.written(every_s)}")
            return None
        return Schedule(every_s, int(match[1]) * 3_600 + int(match[2]) * 60, timezone)

    def gates_without_expected_values(self, detector: str, direction: str, min_abs: float | None) -> None:
        reason = f"compares values with expected ones, and the detector {detector} has none"
        if direction != DIRECTIONS[0]:
            self.flaw(("gates", "direction"), reason)
        if min_abs is not None:
            self.flaw(("gates", "min_abs"), reason)

    def method(self, fields: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
        """Return the detector and its parameters as given, after checking them."""
        name, parameters = fields.get("detector", "auto"), fields.get("parameters", {})
        if not isinstance(parameters, Mapping):
            self.flaw(("parameters",), "must be an object")
            parameters = {}
        try:
            detector = detectors.offered(name if isinstance(name, str) else "")
        except InputError as error:
            self.flaw(("detector",), error.detail.rstrip("."))
            return "auto", {}
        try:
            complete(detector.parameters, parameters)
        except InputError as error:
            for flaw in error.flaws:
                self.flaw(tuple(map(str, flaw.loc)), flaw.msg)
        return detector.name, parameters
