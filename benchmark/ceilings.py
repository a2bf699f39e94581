"""Ceilings for the service: endpoints of the same framework that only validate, and a server that only reads."""

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from starlette.types import Receive, Scope, Send

app = FastAPI()


class Point(BaseModel):
    """The body of a prediction."""

    timestamp: int
    value: float


class Verdict(BaseModel):
    """The response to a prediction."""

    anomaly: bool
    model_version: str
    score: float
    expected: float | None
    lower: float | None
    upper: float | None
    detector: str


@app.post("/predict/{series_id}")
async def predict(series_id: str, point: Point) -> Verdict:  # noqa: ARG001
    """Return a constant: only the validation of body and response takes time."""
    return Verdict(
        anomaly=point.value > 3,
        model_version="1",
        score=0.5,
        expected=2.0,
        lower=1.0,
        upper=3.0,
        detector="baseline",
    )


class Points(BaseModel):
    """The body of a fit."""

    timestamps: list[int]
    values: list[float]


@app.post("/fit/{series_id}", status_code=202)
async def fit(series_id: str, points: Points) -> dict[str, Any]:
    """Return a constant after validating the body of a fit."""
    return {"job_id": "0", "series_id": series_id, "status": "queued", "points_used": len(points.values)}


async def reading(scope: Scope, receive: Receive, send: Send) -> None:
    """Read the body of any request, and answer with nothing."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})
