"""Health of the service, for load balancers and operators."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query
from msgspec import UNSET
from starlette.responses import Response

from api import measuring
from api.dependencies import CallerOf, ServicesOf, answer
from api.openapi import operation
from api.probing import OK
from api.routes.selecting import WATCH_PATTERN
from api.schemas.answers import Health, LatencyAnswer, Liveness, Readiness
from shared.domain.access import Scope
from shared.errors import Code, Flaw, InputError
from shared.store import watches
from shared.store.newest import newest
from shared.telemetry import Kind, Latency

router = APIRouter(tags=["health"])


@router.get("/healthcheck", **operation(Health, scope=Scope.READ))
async def healthcheck(services: ServicesOf, caller: CallerOf) -> Response:
    """Return the number of series with versions, and the latencies of recent predictions and fits."""
    latencies = await services.latency_reads(services.latencies.read)
    trained = await services.lanes.requests(services.series_trained.read, caller.series_prefix)
    empty = Latency.of([])
    inference, training = (latencies[kind] if latencies else empty for kind in Kind)
    return answer(
        Health(
            series_trained=trained,
            inference_latency_ms=LatencyAnswer(inference.avg, inference.p95),
            training_latency_ms=LatencyAnswer(training.avg, training.p95),
            telemetry="unavailable" if latencies is None else None,
        )
    )


@router.get("/metrics", **operation("text/plain", scope=Scope.READ))
async def metrics(services: ServicesOf) -> Response:
    """Return the metrics of all processes together, for Prometheus. Scrape one address, not each process."""
    content = await services.scrapes(partial(measuring.exposition, services))
    return Response(content, media_type=measuring.MEDIA_TYPE)


@router.get("/metrics/series", **operation("text/plain", scope=Scope.READ))
def series_metrics(
    services: ServicesOf,
    caller: CallerOf,
    watch: Annotated[str, Query(pattern=WATCH_PATTERN, description="Name of the watch")],
) -> Response:
    """Return value, score and band of the newest point of each series of a watch, for Prometheus and Grafana."""
    most = services.settings.metrics_series
    with services.sessions.begin() as session:
        found = watches.find(session, watch)
        points = newest(session, found.prefix, most + 1, caller.series_prefix)
    if len(points) > most:
        reason = f"has more than {most:,} series: name a watch with fewer, or raise METRICS_SERIES"
        raise InputError(Code.INVALID_REQUEST, f"The watch {reason}.", flaws=[Flaw(("query", "watch"), reason)])
    return Response(measuring.series_exposition(watch, points), media_type=measuring.SERIES_MEDIA_TYPE)


@router.get("/livez", **operation(Liveness, scope=None))
async def livez() -> Response:
    """Return 200 if the process responds. Checks nothing else."""
    return answer(Liveness("alive"))


@router.get("/readyz", **operation(Readiness, scope=None, also={503: ("Requests cannot be served", Readiness)}))
async def readyz(services: ServicesOf, caller: CallerOf) -> Response:
    """Return 200 if requests can be served. This requires the database, its schema and the artifact store.

    Without Redis or workers, the status is `degraded`: fits are still accepted and predictions answered. Callers
    without a key get only the status.
    """
    states = await services.probes.states()
    ready = all(state == OK for state in states.required.values())
    complete = ready and all(state == OK for state in states.optional.values())
    status = "ready" if complete else "degraded" if ready else "unavailable"
    checks = states.required | states.optional if Scope.READ in caller.scopes else UNSET
    return answer(Readiness(status, checks), 200 if ready else 503)
