"""nginx and PgBouncer as `docs/deploy/` configures them, on other ports."""

import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from shared.embedded.identity import Identity
from shared.embedded.ports import free_port
from tests.deploy.images import ROOT
from tests.waiting import until

DEPLOY = ROOT / "docs/deploy"


def program(name: str) -> str:
    """Return the path of a program; skip the test if it is not installed."""
    path = shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


@contextmanager
def pgbouncer(database_url: str, folder: Path) -> Iterator[str]:
    """Run a pool of three connections; yield its URL. Other users must be able to enter the folder."""
    server, port = make_url(database_url), free_port()
    text = (DEPLOY / "pgbouncer.ini").read_text()
    address = f"host={server.host} port={server.port} dbname={server.database} user={server.username}"
    secret = f"password={server.password} " if server.password else ""
    for pattern, value in (
        (r"(?<=tsad = )host=\S+ port=\S+ dbname=\S+ ", f"{address} {secret}"),
        (r"(?<=listen_port = )\d+", str(port)),
        (r"(?<=default_pool_size = )\d+", "3"),
        (r"auth_type = .*\nauth_file = .*", "auth_type = any\nunix_socket_dir ="),
    ):
        text, changed = re.subn(pattern, value, text)
        assert changed == 1, pattern
    identity = Identity.for_servers()  # PgBouncer refuses to run as root too
    configuration = folder / "pgbouncer.ini"
    configuration.write_text(text)
    identity.chown(configuration, 0o600)
    with serving_at(port, identity, [program("pgbouncer"), str(configuration)], folder / "pgbouncer.log"):
        yield f"postgresql://tsad@127.0.0.1:{port}/tsad"


@contextmanager
def nginx(api_ports: Sequence[int], folder: Path) -> Iterator[str]:
    """Run nginx in front of API processes; yield its URL."""
    port = free_port()
    text = (DEPLOY / "nginx.conf").read_text()
    for configured_port, actual_port in zip((8000, 8001, 8002), (port, *api_ports), strict=True):
        assert text.count(f"127.0.0.1:{configured_port}") == 1
        text = text.replace(f"127.0.0.1:{configured_port}", f"127.0.0.1:{actual_port}")
    paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    temporary = " ".join(f"{path}_temp_path {folder}/nginx-{path};" for path in paths)
    configuration = folder / "nginx.conf"
    configuration.write_text(text.replace("http {", f"http {{ access_log off; {temporary}", 1))
    options = f"daemon off; pid {folder}/nginx.pid; error_log stderr;"
    argv = [program("nginx"), "-c", str(configuration), "-p", str(folder), "-e", "stderr", "-g", options]
    with serving_at(port, Identity.ourselves(), argv, folder / "nginx.log"):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def serving_at(port: int, identity: Identity, argv: Sequence[str], log: Path, **options: Any) -> Iterator[None]:
    """Run a program that listens on this port; `options` go to `subprocess.Popen`."""
    with log.open("wb") as output:
        process = identity.popen(argv, death_signal=signal.SIGKILL, cwd="/", stdout=output, stderr=output, **options)
    try:
        until(lambda: process.poll() is not None or _listens(port))
        assert process.poll() is None, log.read_text()[-3000:]
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
