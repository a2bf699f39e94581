"""How the service is: for load balancers, for operators."""

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
    nothing = Latency.of([])
    inference, training = (latencies.get(kind, nothing) if latencies else nothing for kind in Kind)
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
    needed = {
        "database": _checked(lambda: _check_revision(services)),
        "artifact store": _checked(lambda: _check_stores(services)),
    }
    alive = workers_alive(services.redis)
    wanted = {
        "redis": "unavailable" if alive is None else "ok",
        "workers": "none heard of" if not alive else "ok",
    }
    ready = all(state == "ok" for state in needed.values())
    complete = ready and all(state == "ok" for state in wanted.values())
    status = "ready" if complete else "degraded" if ready else "unavailable"
    shown = needed | wanted if Scope.READ in caller.scopes else UNSET
    return answer(Readiness(status, shown), 200 if ready else 503)


def _check_revision(services: Services) -> str:
    revision = schema.current_revision(services.sessions)
    return "ok" if revision == _EXPECTED_REVISION else f"schema is {revision}, run `tsad migrate`"


def _check_stores(services: Services) -> str:
    services.artifacts.data.check()
    services.artifacts.states.check()
    return "ok"


def _checked(check: Callable[[], str]) -> str:
    try:
        return check()
    except TsadError as error:
        return error.detail
