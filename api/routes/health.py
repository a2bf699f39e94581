"""Health of the service, for load balancers and operators."""

from collections.abc import Callable

from fastapi import APIRouter
from msgspec import UNSET
from starlette.responses import Response

from api import measuring
from api.dependencies import CallerOf, ServicesOf, answer
from api.openapi import operation
from api.schemas.answers import Health, LatencyAnswer, Liveness, Readiness
from api.services import Services
from shared.domain.access import Scope
from shared.errors import TsadError
from shared.store import schema
from shared.telemetry import Kind, Latency, workers_alive

router = APIRouter(tags=["health"])

_EXPECTED_REVISION = schema.expected_revision()


@router.get("/healthcheck", **operation(Health, scope=Scope.READ))
def healthcheck(services: ServicesOf, caller: CallerOf) -> Response:
    """Series that have versions, and the latencies of the newest predictions and fits."""
    latencies = services.latencies.read()
    empty = Latency.of([])
    inference, training = (latencies[kind] if latencies else empty for kind in Kind)
    return answer(
        Health(
            series_trained=services.series_trained.read(caller.series_prefix),
            inference_latency_ms=LatencyAnswer(inference.avg, inference.p95),
            training_latency_ms=LatencyAnswer(training.avg, training.p95),
            telemetry="unavailable" if latencies is None else None,
        )
    )


@router.get("/metrics", **operation("text/plain", scope=Scope.READ))
def metrics(services: ServicesOf) -> Response:
    """Figures of all processes together, for Prometheus: scrape one address, not each process."""
    return Response(measuring.exposition(services), media_type=measuring.MEDIA_TYPE)


@router.get("/livez", **operation(Liveness, scope=None))
async def livez() -> Response:
    """The process answers. Depends on nothing else."""
    return answer(Liveness("alive"))


@router.get("/readyz", **operation(Readiness, scope=None))
def readyz(services: ServicesOf, caller: CallerOf) -> Response:
    """200 while requests can be served: the database, its schema and the artifact store must be there.

    Without Redis or workers fits are still accepted and predictions answered: `degraded`. Callers without a key are
    told no more than that.
    """
    required = {
        "database": _state_of(_check_revision, services),
        "artifact store": _state_of(_check_stores, services),
    }
    alive = workers_alive(services.redis)
    optional = {
        "redis": "unavailable" if alive is None else "ok",
        "workers": "none heard of" if not alive else "ok",
    }
    ready = all(state == "ok" for state in required.values())
    complete = ready and all(state == "ok" for state in optional.values())
    status = "ready" if complete else "degraded" if ready else "unavailable"
    checks = required | optional if Scope.READ in caller.scopes else UNSET
    return answer(Readiness(status, checks), 200 if ready else 503)


def _check_revision(services: Services) -> str:
    revision = schema.current_revision(services.sessions)
    return "ok" if revision == _EXPECTED_REVISION else f"schema is {revision}, run `tsad migrate`"


def _check_stores(services: Services) -> str:
    services.artifacts.data.check()
    services.artifacts.states.check()
    return "ok"


def _state_of(check: Callable[[Services], str], services: Services) -> str:
    """Return the state that the check reports, or the detail of its error."""
    try:
        return check(services)
    except TsadError as error:
        return error.detail
