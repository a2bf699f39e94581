"""docker-compose.yml as Compose reads it."""

import re
from typing import Any

import yaml

from tests.deploy.images import ROOT, Image, image

VARIABLE = re.compile(r"\$\{(?P<name>[A-Z_]+):-(?P<default>[^}]*)\}")
Service = dict[str, Any]


def compose() -> dict[str, Any]:
    """The file, with its variables still in place."""
    content: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return content


def variables() -> dict[str, str]:
    """The variables that the file reads, with their defaults."""
    return {match["name"]: match["default"] for match in VARIABLE.finditer((ROOT / "docker-compose.yml").read_text())}


def services() -> dict[str, Service]:
    """The services, each variable having its default."""
    text = VARIABLE.sub(lambda match: match["default"], (ROOT / "docker-compose.yml").read_text())
    services: dict[str, Service] = yaml.safe_load(text)["services"]
    return services


def built(service: Service) -> Image:
    """The image of a service that is built here."""
    return image(service["build"]["dockerfile"], service["build"]["target"])


def seconds(duration: str) -> float:
    return float(duration.removesuffix("s"))


PASSWORDS = {name for name in variables() if name.endswith("_PASSWORD")} | {"TSAD_API_KEY"}
