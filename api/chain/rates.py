"""Rate limits: fits, predictions and pushes per key and minute.

Each key has a token bucket in Redis, shared by all processes.

While Redis is unavailable, each process counts alone, so a key has the full rate in each process.
"""

import logging
import math
import time

import redis.asyncio
from starlette.requests import Request
from starlette.routing import compile_path
from starlette.types import ASGIApp, Receive, Scope, Send

from api.chain.authentication import caller_of
from api.matching import path_of
from api.problems import refuse
from shared.errors import BusyError, Code
from shared.settings import Settings
from shared.wording import counted

logger = logging.getLogger(__name__)

ANSWER_WITHIN_S = 0.2
ALONE_S = 2.0  # how long a process counts alone before it tries Redis again
_MAX_KEYS = 10_000

_ROUTES = {
    "predict": ("/predict/{series_id}", "/predict/{series_id}/batch", "/predict"),
    "fit": (
        "/fit/{series_id}",
        "/fit",
        "/series/{series_id}/versions/{version}/fit",
        "/series/{series_id}/refit",
        "/jobs/{job_id}/retry",
        "/simulate",  # which fits, too
    ),
    "push": ("/series/{series_id}/points", "/points", "/api/v1/write", "/api/v2/write", "/write"),
}
_PATTERNS = [(compile_path(route)[0], kind) for kind, routes in _ROUTES.items() for route in routes]

# One number represents a bucket: the time when it will be full again (generic cell rate algorithm, ITU-T I.371).
# The script uses the clock of Redis, so the clocks of the processes need not agree.
_TAKE = """
local time = redis.call('TIME')
local now, interval, burst = time[1] + time[2] / 1e6, tonumber(ARGV[1]), tonumber(ARGV[2])
local full_at = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now)
local wait = full_at + interval - burst - now
if wait > 0 then return tostring(wait) end
redis.call('SET', KEYS[1], string.format('%.6f', full_at + interval), 'PX', math.ceil(burst * 1000) + 1000)
return '0'
"""


class Rates:
    """Token buckets, each holding one minute's tokens. Belongs to one event loop."""

    def __init__(self, redis_url: str) -> None:
        self._redis = redis.asyncio.Redis.from_url(
            redis_url, socket_connect_timeout=ANSWER_WITHIN_S, socket_timeout=ANSWER_WITHIN_S
        )
        self._take = self._redis.register_script(_TAKE)
        self._alone_until = 0.0
        self._full_at: dict[str, float] = {}

    async def close(self) -> None:
        """Close the connections to Redis."""
        await self._redis.aclose()

    async def wait_s(self, bucket: str, per_minute: int) -> float:
        """Take a token and return 0.0, or return the seconds until the next token without taking one."""
        if time.monotonic() >= self._alone_until:
            try:
                return float(await self._take(keys=[f"tsad:rate:{bucket}"], args=[60 / per_minute, 60]))
            except (redis.RedisError, OSError) as error:
                logger.warning(
                    "Redis is unavailable, so this process limits request rates on its own: %s", type(error).__name__
                )
                self._alone_until = time.monotonic() + ALONE_S
        return self._take_alone(bucket, per_minute)

    def _take_alone(self, bucket: str, per_minute: int) -> float:
        now = time.monotonic()
        full_at = max(self._full_at.get(bucket, 0.0), now) + 60 / per_minute
        if full_at - 60 > now:
            return full_at - 60 - now
        if len(self._full_at) >= _MAX_KEYS:
            self._full_at.clear()
        self._full_at[bucket] = full_at
        return 0.0


class Rate:
    """Middleware that answers 429 to a key that exceeds its rate. Only in the chain if a rate is set."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.per_minute = {
            "fit": settings.fit_rate_per_minute,
            "predict": settings.predict_rate_per_minute,
            "push": settings.push_rate_per_minute,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or reject it before its body is read."""
        if (kind := _kind(scope)) and (per_minute := self.per_minute[kind]):
            bucket = f"{kind}:{caller_of(Request(scope)).key_id}"
            wait_s = await scope["app"].state.services.rates.wait_s(bucket, per_minute)
            if wait_s > 0:
                retry_after_s = math.ceil(wait_s)
                limit = counted(per_minute, f"{kind} request")
                sentence = f"This key exceeds its limit of {limit} a minute. Retry in {retry_after_s} s."
                error = BusyError(Code.RATE_LIMITED, sentence, retry_after_s=retry_after_s)
                await refuse(error, scope, receive, send)
                return
        await self.app(scope, receive, send)


def _kind(scope: Scope) -> str | None:
    """Return the kind of request whose rate is limited, by the route that will serve it; None for others."""
    if scope["method"] != "POST":
        return None
    path = path_of(scope)
    return next((kind for pattern, kind in _PATTERNS if pattern.match(path)), None)
