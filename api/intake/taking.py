"""Storing the points of a request with many series, through the same ingest as all points."""

from dataclasses import dataclass

from api.intake.collecting import Lines
from api.services import Services
from shared.errors import MAX_FLAWS, BusyError, Code, Flaw, InputError
from shared.watching.ingesting import Taken
from shared.wording import counted


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What became of the points of each series."""

    taken: list[Taken]
    busy: BusyError | None  # of a series whose points must be sent again


def take(services: Services, lines: Lines) -> Outcomes:
    """Store and judge all valid points, count those that were refused, and add errors of series to the lines.

    Raise `UnavailableError` if the database or the store is unavailable: sending everything again is safe.
    """
    pushes = [checked.push for checked in lines.series.values() if len(checked.push.timestamps)]
    taken, busy = [], None
    for push, outcome in zip(pushes, services.ingest(pushes), strict=True):
        if isinstance(outcome, Taken):
            taken.append(outcome)
        else:
            lines.refuse_series(push.series_id, outcome.code, outcome.detail, len(push.timestamps))
            busy = outcome if isinstance(outcome, BusyError) else busy
    for code, number in lines.refused_by_code.items():
        services.metrics.refused_points.labels(code).inc(number)
    return Outcomes(taken, busy)


def take_all(services: Services, lines: Lines, part: str) -> None:
    """Store the points of a sender that only reads the status.

    Raise `BusyError` if it should send everything again, and `InputError` with status 400 if points were refused: then
    all others are stored. part: what the number of a line means, as in line.
    """
    if (busy := take(services, lines).busy) is not None:
        raise busy
    if lines.refused:
        raise refusal(lines, part)


def refusal(lines: Lines, part: str) -> InputError:
    """Return the error that names refused points."""
    first = lines.flaws[0]
    stored = "all others are stored" if lines.series else "nothing was stored"
    sentence = f"{counted(lines.refused, 'point was', 'points were')} refused, {stored}. "
    where = f"{part.capitalize()} {first.line}{f' ({first.series_id})' if first.series_id else ''}"
    flaws = [Flaw((part, flaw.line), f"{flaw.code}: {flaw.detail}") for flaw in lines.flaws[:MAX_FLAWS]]
    return InputError(Code.POINTS_REFUSED, f"{sentence}{where}: {first.detail}", flaws=flaws)
