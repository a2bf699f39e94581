"""Simulations: what a watch would have done with points of the past."""

import msgspec
from fastapi import APIRouter, Request
from msgspec import UNSET
from starlette.responses import Response

from api.chain.bodies import read
from api.computing.content import Content
from api.computing.fairness import SLICE_S, Slice
from api.computing.pickling import packed, unpacked
from api.dependencies import CallerOf, ServicesOf, visible
from api.intake.columns import read_all
from api.openapi import operation
from api.schemas.decoding import decode
from api.schemas.points import StreamVerdicts
from api.schemas.requests import PushBody, SimulateBody
from api.schemas.times import timestamp_of
from api.schemas.watching import SimulatedAlert, SimulatedFitAnswer, SimulatedNotice, SimulationAnswer
from api.services import Services
from shared.domain.access import Caller, Scope
from shared.domain.series import LAST_TIMESTAMP, WEEK_S, check_series_id
from shared.domain.watching.watches import parse
from shared.errors import Code, Flaw, InputError
from shared.fitting.stored import stream_not_found
from shared.store import points, spans, streams
from shared.watching.planning import Push
from shared.watching.simulating import MAX_POINTS, Simulation, Walk

router = APIRouter(tags=["watches"])

MAX_BYTES = 2 * MAX_POINTS * 64 + 256 * 1024  # points and a watch, with generous whitespace
S_PER_POINT = 4e-4
_BODY = msgspec.json.Decoder(SimulateBody)


@router.post("/simulate", **operation(SimulationAnswer, scope=Scope.READ, body=SimulateBody))
async def simulate_watch(request: Request, services: ServicesOf, caller: CallerOf) -> Response:
    """Return what a watch would have done with up to 20,000 points: its fits, verdicts, alerts and notices.

    Send points, or the id of a series whose stored points to use, from and to a time. Nothing is stored. Fits take no
    time here, and every point arrives in time. At most 20 fits are simulated, including those of the watch's schedule.
    """
    content = await read(request, MAX_BYTES)
    points, walk = await services.lanes.requests(_begun, services, caller, content)
    cost_s = S_PER_POINT * points
    encoded = await services.lanes.computing.in_slices(caller.key_id, cost_s, _advanced, walk)
    return Response(encoded, media_type="application/json")


def _begun(services: Services, caller: Caller, content: Content) -> tuple[int, bytes]:
    """Decode the body, and read the stored points that it names; return their number, and a walk before the first."""
    body = decode(_BODY, content.whole())
    push, excluded = _points(services, caller, body)
    watch = parse("simulation", {"prefix": "", **body.watch}, max_window_s=LAST_TIMESTAMP)
    walk = Walk(watch, push.series_id, push.timestamps, push.values, services.settings, excluded)
    return len(push.timestamps), packed(walk)


def _points(services: Services, caller: Caller, body: SimulateBody) -> tuple[Push, list[list[int]]]:
    """Return the points of the body, or of its series, and the spans that people excluded."""
    series_id = "points" if body.series_id is UNSET else visible(check_series_id(body.series_id), caller)
    start, end = _end("from", body.from_, 0), _end("to", body.to, LAST_TIMESTAMP)
    if body.timestamps or body.values:
        push = read_all(series_id, PushBody(body.timestamps, body.values), MAX_POINTS)
        within = (push.timestamps >= start) & (push.timestamps <= end)
        push = Push(series_id, push.timestamps[within], push.values[within])
    elif body.series_id is UNSET:
        raise InputError(Code.INVALID_REQUEST, "Send timestamps and values, or the series_id of stored points.")
    else:
        push = _stored(services, series_id, start, end)
    if not len(push.timestamps):
        raise InputError(Code.TOO_FEW_POINTS, "There are no points between from and to.")
    if body.series_id is UNSET:
        return push, []
    with services.sessions.begin() as session:
        marked = spans.of_series(session, series_id, start, end)
    return push, [[span.from_ts, span.to_ts] for span in marked]


def _stored(services: Services, series_id: str, start: int, end: int) -> Push:
    with services.sessions.begin() as session:
        if series_id not in streams.read(session, [series_id]):
            raise stream_not_found()
        found = points.between(session, series_id, start, end, MAX_POINTS + 1)
    if len(found) > MAX_POINTS:
        sentence = f"There are more than {MAX_POINTS:,} stored points: send a later from, or an earlier to."
        raise InputError(Code.TOO_MANY_POINTS, sentence, flaws=[Flaw(("from",), sentence)])
    return Push(series_id, found.timestamps, found.values)


def _end(name: str, written: int | str | msgspec.UnsetType, default: int) -> int:
    if written is UNSET:
        return default
    try:
        return timestamp_of(written)
    except ValueError as error:
        raise InputError(Code.INVALID_REQUEST, f"{name} {error}.", flaws=[Flaw((name,), str(error))]) from None


def _advanced(work: bytes) -> Slice:
    """Simulate for a while; return the encoded response in the end."""
    walk: Walk = unpacked(work)
    if walk.advance(SLICE_S):
        return Slice(packed(walk))
    return Slice(None, _encoded(walk.result(), walk.series_id))


def _encoded(simulation: Simulation, series_id: str) -> bytes:
    numbers = {alert_id: str(number) for number, alert_id in enumerate(simulation.alerts, 1)}
    alerts = [SimulatedAlert.of(alert, series_id) for alert in simulation.alerts.values()]
    for alert in alerts:
        alert.alert_id = numbers[alert.alert_id]
    timestamps, values = simulation.points.timestamps, simulation.points.values
    span_s = int(timestamps[-1] - timestamps[0])
    return msgspec.json.encode(
        SimulationAnswer(
            points=len(timestamps),
            fits=[SimulatedFitAnswer(str(fit.version), fit.timestamp, fit.points, fit.slot) for fit in simulation.fits],
            refits_left_out=simulation.refits_left_out,
            alerts=alerts,
            notices=[SimulatedNotice(numbers[notice.alert], notice.step, notice.type) for notice in simulation.notices],
            notices_per_week=round(len(simulation.notices) / max(span_s / WEEK_S, 1e-9), 3) if span_s else 0.0,
            values=[None if value != value else value for value in values.tolist()],  # noqa: PLR0124 - NaN
            verdicts=StreamVerdicts.of(simulation.points),
        )
    )
