"""Python client of tsad, a self-hosted service that detects anomalies in time series."""

from tsad_client import codes
from tsad_client.answers import Series, Version
from tsad_client.clients import AsyncClient, Client
from tsad_client.errors import (
    AccessError,
    BusyError,
    ConflictError,
    InvalidPointsError,
    InvalidWebhookError,
    NotFoundError,
    ProblemError,
    RequestError,
    ServerError,
    TsadError,
    UnavailableError,
    UnreachableError,
    WaitTimeoutError,
)
from tsad_client.following import AlertFeed, AsyncAlertFeed
from tsad_client.jobs import AsyncJob, Job
from tsad_client.pushing import Pusher
from tsad_client.sending import Patience
from tsad_client.verdicts import Pushed, Verdict
from tsad_client.watching import Alert, Watch
from tsad_client.webhooks import verify_webhook

__version__ = "0.1.0"

__all__ = [
    "AccessError",
    "Alert",
    "AlertFeed",
    "AsyncAlertFeed",
    "AsyncClient",
    "AsyncJob",
    "BusyError",
    "Client",
    "ConflictError",
    "InvalidPointsError",
    "InvalidWebhookError",
    "Job",
    "NotFoundError",
    "Patience",
    "ProblemError",
    "Pushed",
    "Pusher",
    "RequestError",
    "Series",
    "ServerError",
    "TsadError",
    "UnavailableError",
    "UnreachableError",
    "Verdict",
    "Version",
    "WaitTimeoutError",
    "Watch",
    "codes",
    "verify_webhook",
]
