"""`tsad service`: keep `tsad up` running, even after a reboot."""

from pathlib import Path
from typing import Annotated

import typer

from api.cli.options import ApiPort, ApiProcesses, Concurrency, FlowerPort
from api.cli.systemd import SYSTEM_HOME, Unit
from shared.embedded import default_home

service = typer.Typer(no_args_is_help=True, help="Keep `tsad up` running as a systemd service.")

OfUser = Annotated[bool, typer.Option("--user", help="Use a systemd user service; no root needed.")]


@service.command()
def install(
    *,
    user: OfUser = False,
    account: Annotated[str, typer.Option(help="Account that the service runs as; created if missing.")] = "tsad",
    home: Annotated[
        Path | None,
        typer.Option(
            envvar="TSAD_HOME",
            help="Folder for all files that tsad writes, and for .env with settings.",
            show_default="~/.local/state/tsad with --user, else /var/lib/tsad",
        ),
    ] = None,
    port: ApiPort = 8000,
    flower_port: FlowerPort = 5555,
    concurrency: Concurrency = None,
    api_processes: ApiProcesses = 1,
    show: Annotated[bool, typer.Option("--print", help="Print the unit instead of installing it.")] = False,
) -> None:
    """Start `tsad up` now and at every boot, and restart it if it ends.

    [bold]tsad service install --user --port 8080[/]
    """
    values = {"port": port, "flower-port": flower_port, "concurrency": concurrency, "api-processes": api_processes}
    options = [f"--{name}={value}" for name, value in values.items() if value is not None]
    unit = Unit(
        (home or (default_home() if user else SYSTEM_HOME)).expanduser().resolve(),
        tuple(options),
        "" if user else account,
    )
    if show:
        print(unit.text(), end="")
        return
    unit.install()
    systemctl = " ".join(unit.systemctl)
    print(f"Installed {unit.path}. Check it with `{systemctl} status tsad` and `journalctl {'--user ' * user}-u tsad`.")
    if user:
        print("It stops when you log out, unless you run `loginctl enable-linger` once.")


@service.command()
def uninstall(*, user: OfUser = False) -> None:
    """Stop the service and delete its unit. Data and account stay."""
    unit = Unit(default_home(), account="" if user else "root")
    unit.uninstall()
    print(f"Deleted {unit.path}. The data stays where it is.")
