"""`tsad demo`: run the whole pipeline on real series, in a stack that it starts and stops."""

import os
import re
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from api import samples
from api.cli import taxi
from api.cli.client import Client
from api.cli.jobs import follow, require_success
from api.cli.stack import running_stack
from shared.domain.series import DAY_S
from shared.errors import Code, SetupError, TsadError

console = Console(highlight=False, soft_wrap=True)

_STYLE = re.compile(r'<link rel="stylesheet" nonce="[^"]+" href="(?:\.{1,2}/)+(static/[^"]+)">')
_SCRIPT = re.compile(r'<script\b[^>]* src="(?:\.{1,2}/)+(static/[^"]+)"[^>]*></script>')
_ADDRESS = re.compile(r' (?:href|src|srcset)="\.{1,2}/[^"]*"')
_WITHOUT_SERVER = "<style>header.top nav, .title nav a, #under a, .columns, .crumbs, footer { display: none; }</style>"
MODULE = ' type="module"'
NEED_THE_SERVER = ("plot.js", "live.js", "actions.js", "closer.js")  # no use in a saved page
MAX_FIT_S = 120
MAX_TELEMETRY_S = 5


def demo(
    *,
    output: Annotated[Path, typer.Option(help="File to write the plot page to.")] = Path("tsad-demo.html"),
) -> None:
    """Start everything in a temporary home, fit real series, predict, plot, watch another one, and stop.

    The page of the worst alert is written next to the plot page. It can run next to `tsad up`.
    """
    check_writable(output)
    with tempfile.TemporaryDirectory(prefix="tsad-demo-") as folder:
        home = Path(folder)
        home.chmod(0o711)  # under root, the servers run as another user, who must traverse this folder
        console.print("Starting PostgreSQL, a Redis-compatible server, API, worker, reconciler and Flower …")
        with running_stack(home, say=console.print, variables=taxi.SETTINGS) as stack:
            console.print(f"API    [bold]{stack.api_url}[/]\nFlower [bold]{stack.flower_url}[/]")
            with Client(stack.api_url, os.environ.get("TSAD_API_KEY", "")) as client:
                for name in samples.NAMES:
                    show(client, samples.load(name), stack.supervisor.check)
                show_health(client)
                alert_id = taxi.watch_rides(client, console, MAX_FIT_S, stack.supervisor.check)
                write_page(client, f"/plot?series_id={samples.NAMES[0]}", output)
                write_page(client, f"/ui/alerts/{alert_id}", output.with_stem(f"{output.stem}-alert"))
        console.print(
            "Everything has stopped. To start it and keep it running: [bold]tsad up[/] "
            "(in a checkout, [bold]python3 run up[/])"
        )


def check_writable(output: Path) -> None:
    """Raise `SetupError` if the page cannot be written, before anything starts."""
    existing = output if output.exists() else output.parent
    if output.is_dir() or not os.access(existing, os.W_OK):
        raise SetupError(Code.START_FAILED, f"{output} cannot be written. Choose another file with --output.")


def show(client: Client, sample: samples.Sample, check: Callable[[], object]) -> None:
    """Fit a series, follow its job, and score a normal and an abnormal point."""
    days = (sample.timestamps[-1] - sample.timestamps[0]) // DAY_S + 1
    console.print(f"\n[bold]{sample.name}[/]: {len(sample.values):,} points over {days:,} days")
    accepted = client.post(f"/fit/{sample.name}", {"timestamps": sample.timestamps, "values": sample.values})
    job = follow(client, accepted["job_id"], console, MAX_FIT_S, check)
    require_success(job)
    version = client.get(f"/series/{sample.name}/versions/{job['version']}")
    band = client.post(f"/predict/{sample.name}", {"timestamp": sample.timestamps[-1] + DAY_S, "value": 0})
    console.print(
        f"  version {job['version']} by {job['worker']}: {version['detector']}, fitted in {version['fit_ms']:.1f} ms, "
        f"{100 * version['anomaly_share']:.1f} % of the training points are anomalies, normal band "
        f"{band['lower']:.2f} to {band['upper']:.2f}"
    )
    width = band["upper"] - band["lower"]
    for value, anomalous in ((band["expected"], False), (band["upper"] + width, True)):
        score(client, sample, round(value, 1), anomalous=anomalous)


def score(client: Client, sample: samples.Sample, value: float, *, anomalous: bool) -> None:
    """Score one point a day after the last; raise `TsadError` unless the verdict is as expected."""
    timestamp = sample.timestamps[-1] + DAY_S
    verdict = client.post(f"/predict/{sample.name}", {"timestamp": timestamp, "value": value})
    if verdict["anomaly"] is not anomalous:
        raise TsadError(Code.INTERNAL_ERROR, f"Unexpected verdict for {value}: {verdict}")
    color, label = ("red", "anomaly") if anomalous else ("green", "normal")
    day = datetime.fromtimestamp(timestamp, UTC).date()
    console.print(
        f"  {day}  {value:>7}  [{color}]{label}[/], score {verdict['score']:.2f}, version {verdict['model_version']}"
    )


def show_health(client: Client) -> None:
    """Print the latencies from /healthcheck; wait for them, because they arrive with a short delay."""
    deadline = time.monotonic() + MAX_TELEMETRY_S
    while True:
        health = client.get("/healthcheck")
        inference, training = health["inference_latency_ms"], health["training_latency_ms"]
        if (inference["avg"] and training["avg"]) or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    console.print(
        f"\n{health['series_trained']} series fitted; prediction latency {inference['avg']:.1f} ms "
        f"(p95 {inference['p95']:.1f}), fit latency {training['avg']:.1f} ms (p95 {training['p95']:.1f})"
    )


def write_page(client: Client, path: str, output: Path) -> None:
    """Save a page with inline styles and scripts, so that it opens without a server."""
    page = client.text(path)
    scripts = [match for match in _SCRIPT.finditer(page) if not match[1].endswith(NEED_THE_SERVER)]
    page = _SCRIPT.sub("", _STYLE.sub(lambda link: f"<style>{client.text('/' + link[1])}</style>", page))
    page = _ADDRESS.sub("", page.replace("</head>", f"{_WITHOUT_SERVER}</head>"))
    inline = "".join(
        f"<script{MODULE if MODULE in script[0] else ''}>{client.text(f'/{script[1]}')}</script>\n"
        for script in scripts
    )
    try:
        output.write_text(page.replace("</body>", f"{inline}</body>"), encoding="utf-8")
    except OSError as error:
        raise TsadError(
            Code.START_FAILED, f"The page cannot be written: {error}. Choose another file with --output."
        ) from error
    console.print(f"Page: [bold]{output.resolve()}[/]")
