"""The rule of a watch in five lines, for people."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from api.pages import writing
from shared.domain.watching import durations
from shared.domain.watching.schedules import Schedule
from shared.domain.watching.watches import AUTO, OFF, Watch

_UNITS = {"s": "second", "m": "minute", "h": "hour", "d": "day"}
_DIRECTIONS = {"up": "above", "down": "below"}

Rule = list[tuple[str, Markup]]


def rule(watch: Watch) -> Rule:
    """Return the name and the sentences of each line, with its values in bold."""
    return [
        ("Fit", _fit(watch)),
        ("Open", _open(watch)),
        ("Close", _close(watch)),
        ("Silence", _silence(watch.silence)),
        ("Notify", _notify(watch)),
    ]


def _fit(watch: Watch) -> Markup:
    prefix = Markup(" whose id begins with <strong><code>{}</code></strong>").format(watch.prefix)
    return Markup(
        "Every series{}, with <strong>{}</strong>{}, on its last <strong>{}</strong>. First on a few points, then each "
        "time that it has four times as many{}."
    ).format(
        prefix if watch.prefix else "",
        watch.detector,
        _parameters(watch.parameters),
        _time(watch.window_s),
        _refit(watch.refit),
    )


def _refit(refit: Schedule | None) -> Markup:
    if refit is None:
        return Markup("")
    every = _time(refit.every_s).removeprefix("1 ")
    at = refit.document()["at"]
    clock = Markup(" at <strong>{} {}</strong>").format(at, refit.timezone) if at else Markup("")
    return Markup(", and every <strong>{}</strong>{}").format(every, clock)


def _parameters(parameters: Mapping[str, Any]) -> Markup:
    named = [f"{name.replace('_', ' ')} {writing.parameter(value)}" for name, value in parameters.items()]
    return Markup(" (<strong>{}</strong>)").format(", ".join(named)) if named else Markup("")


def _open(watch: Watch) -> Markup:
    when = Markup("When <strong>{} of the last {}</strong> points are anomalies").format(watch.anomalies, watch.of)
    if watch.anomalies == watch.of:
        when = Markup("When <strong>{}</strong>").format(
            "a point is an anomaly" if watch.of == 1 else f"{watch.of} points in a row are anomalies"
        )
    if watch.at_once is not None:
        when += Markup(", or one scores <strong>{}</strong> or more").format(writing.number(watch.at_once))
    gates = Markup("")
    if watch.direction in _DIRECTIONS:
        gates += Markup(" Only values <strong>{}</strong> the expected one count.").format(_DIRECTIONS[watch.direction])
    if watch.min_abs is not None:
        gates += Markup(" They must differ by more than <strong>{}</strong>.").format(writing.number(watch.min_abs))
    return when + "." + gates


def _close(watch: Watch) -> Markup:
    points = "point" if watch.normal == 1 else "points in a row"
    return Markup(
        "After <strong>{} {} below {}</strong>, or when no point comes for <strong>{}</strong>. An anomaly within "
        "<strong>{}</strong> continues the alert."
    ).format(watch.normal, points, writing.number(watch.below), _time(watch.after_s), _time(watch.merge_within_s))


def _silence(silence: str | int) -> Markup:
    if silence == OFF:
        return Markup("A stream that stops opens <strong>no</strong> alert.")
    after = "three times as long as usual" if silence == AUTO else _time(int(silence))
    return Markup("An alert opens when a stream stops for <strong>{}</strong>.").format(after)


def _notify(watch: Watch) -> Markup:
    notify = watch.notify
    whom = Markup("<strong>Nobody</strong>.")
    if notify.receivers:
        whom = Markup("<strong>{}</strong>, with at most <strong>{:,} {}</strong> in <strong>{}</strong>.").format(
            ", ".join(notify.receivers),
            notify.messages,
            "message" if notify.messages == 1 else "messages",
            _time(notify.per_s),
        )
    return whom + Markup(" Anomalies that arrive more than <strong>{}</strong> late are recorded as quiet.").format(
        _time(watch.notify_within_s)
    )


def _time(seconds: int) -> str:
    written = durations.written(seconds)
    number, unit = int(written[:-1]), _UNITS[written[-1]]
    return f"{number} {unit}" if number == 1 else f"{number:,} {unit}s"
