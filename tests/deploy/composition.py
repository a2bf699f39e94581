"""docker-compose.yml as Compose reads it."""

import re
from typing import Any

import yaml

from tests.deploy.images import ROOT, Image, image

VARIABLE = re.compile(r"\$\{(?P<name>[A-Z_]+):-(?P<default>[^{}]*)\}")
Service = dict[str, Any]


def compose() -> dict[str, Any]:
    """Return the parsed file without substituting its variables."""
    content: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return content


def variables() -> dict[str, str]:
    """Return the variables that the file reads, with their defaults."""
    return _substituted()[1]


def services() -> dict[str, Service]:
    """Return the services, with the default of each variable."""
    services: dict[str, Service] = yaml.safe_load(_substituted()[0])["services"]
    return services


def _substituted() -> tuple[str, dict[str, str]]:
    """Return the file with the default of each variable, and the defaults. A default may contain a variable."""
    text = (ROOT / "docker-compose.yml").read_text()
    defaults: dict[str, str] = {}
    while found := {match["name"]: match["default"] for match in VARIABLE.finditer(text)}:
        defaults |= found
        text = VARIABLE.sub(lambda match: match["default"], text)
    return text, defaults


def built(service: Service) -> Image:
    """Return the image of a service that is built here."""
    return image(service["build"]["dockerfile"], service["build"]["target"])


def seconds(duration: str) -> float:
    return float(duration.removesuffix("s"))


PASSWORDS = {name for name in variables() if name.endswith("_PASSWORD")} | {"TSAD_API_KEY"}
