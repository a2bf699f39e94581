import importlib
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from api.cli.commands import migrate
from shared.settings import Settings
from tests.deploy.composition import PASSWORDS, Service, built, compose, seconds, services
from tests.deploy.images import ROOT
from tests.deploy.test_env_example import setting_names
from worker.outbound.egress import TIMEOUT_S

OURS = [name for name, service in services().items() if "build" in service]
OPERATED = [name for name in services() if name != "tests"]
ONCE = ("migrate", "keys")  # services that run to completion

# Only the parts of the Compose specification that the file uses: a misspelled key is an error.
TEXT: dict[str, Any] = {"type": "string"}
WORDS: dict[str, Any] = {"type": "array", "items": TEXT, "minItems": 1}
DURATION: dict[str, Any] = {"type": "string", "pattern": r"^\d+s$"}


def strict(*required: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def mapping(values: dict[str, Any], names: str = r"^[a-zA-Z0-9._-]+$") -> dict[str, Any]:
    return {"type": "object", "patternProperties": {names: values}, "additionalProperties": False}


HEALTHCHECK = strict(
    disable={"const": True},
    test=WORDS,
    interval=DURATION,
    timeout=DURATION,
    start_period=DURATION,
    retries={"type": "integer"},
)
CONDITION = strict("condition", condition={"enum": ["service_healthy", "service_completed_successfully"]})
SERVICE = strict(
    build=strict("context", "dockerfile", "target", context={"const": "."}, dockerfile=TEXT, target=TEXT),
    cap_drop=WORDS,
    command=WORDS,
    depends_on=mapping(CONDITION),
    env_file={"type": "array", "items": strict("path", path=TEXT, required={"type": "boolean"})},
    environment=mapping(TEXT, r"^[A-Z_]+$"),  # strings, because YAML reads yes, no and 1_0 as other types
    healthcheck=HEALTHCHECK,
    image=TEXT,
    init={"type": "boolean"},
    networks=WORDS,
    logging=strict("driver", driver=TEXT, options=mapping(TEXT)),
    ports={"type": "array", "items": {"type": "string", "pattern": r"^[\d.]+:\d+:\d+$"}},
    profiles=WORDS,
    read_only={"type": "boolean"},
    restart={"enum": ["no", "unless-stopped"]},
    security_opt=WORDS,
    shm_size=TEXT,
    stop_grace_period=DURATION,
    tmpfs=WORDS,
    user=TEXT,
    volumes={"type": "array", "items": {"type": "string", "pattern": r"^([a-z]+:/[a-z/]+|\./[a-z/.]+:/[a-z/.]+:ro)$"}},
)
FILE = {
    "type": "object",
    "properties": {
        "name": TEXT,
        "services": mapping(SERVICE | {"oneOf": [{"required": ["build"]}, {"required": ["image"]}]}),
        "networks": mapping({"type": "null"}),
        "volumes": mapping({"type": "null"}),
    },
    "patternProperties": {"^x-": {}},
    "required": ["services"],
    "additionalProperties": False,
}

every_service = pytest.mark.parametrize("name", services())
every_service_of_ours = pytest.mark.parametrize("name", OURS)


def has_healthcheck(service: Service) -> bool:
    healthcheck = service.get("healthcheck", {})
    if healthcheck.get("disable"):
        return False
    return bool(healthcheck or ("build" in service and built(service).healthcheck))


def test_the_file_follows_the_specification() -> None:
    jsonschema.Draft202012Validator.check_schema(FILE)
    jsonschema.validate(compose() | {"services": services()}, FILE)


def test_every_variable_has_a_default_so_that_a_fresh_clone_starts() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    assert len(re.findall(r"\$", text)) == len(re.findall(r"\$\{\w+:-", text))


@every_service
def test_a_service_waits_only_for_conditions_that_can_be_met(name: str) -> None:
    for dependency, requirement in services()[name].get("depends_on", {}).items():
        awaited = services()[dependency]
        assert "profiles" not in awaited
        if requirement["condition"] == "service_healthy":
            assert has_healthcheck(awaited)
        else:
            assert awaited["restart"] == "no"


def test_the_api_waits_for_the_first_key() -> None:
    assert services()["api"]["depends_on"]["keys"]["condition"] == "service_completed_successfully"
    assert "--first" in services()["keys"]["command"]


@pytest.mark.parametrize("name", ["api", "worker", "reconciler", "outbound", "keys"])
def test_services_that_use_tables_wait_for_the_migration(name: str) -> None:
    assert services()[name]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"


def test_the_api_starts_without_redis() -> None:
    assert "redis" not in services()["api"]["depends_on"]


@pytest.mark.parametrize("name", OPERATED)
def test_only_long_running_services_are_restarted(name: str) -> None:
    assert services()[name]["restart"] == ("no" if name in ONCE else "unless-stopped")


def test_every_volume_is_declared_and_used() -> None:
    used = {volume.split(":")[0] for service in services().values() for volume in service.get("volumes", [])}
    assert {name for name in used if not name.startswith(".")} == set(compose()["volumes"])
    assert all((ROOT / path).is_file() for path in used if path.startswith("."))


def test_all_processes_keep_artifacts_in_one_volume() -> None:
    for name in ("api", "worker", "reconciler", "outbound"):
        service = services()[name]
        (volume,) = service["volumes"]
        assert volume.startswith("artifacts:")
        for setting in ("TRAINING_DATA_FOLDER", "MODEL_STATE_FOLDER"):
            folder = service["environment"][setting]
            assert folder == built(service).environment[setting]
            assert str(Path(folder).parent) == volume.partition(":")[2]


def test_the_data_of_postgresql_18_is_in_the_volume() -> None:
    database = services()["db"]
    assert database["image"].startswith("postgres:18.")
    assert database["volumes"] == ["database:/var/lib/postgresql"]  # the image refuses to start with .../data


def test_only_the_api_and_flower_are_published_and_only_on_loopback() -> None:
    published = {name: service["ports"] for name, service in services().items() if "ports" in service}
    assert published.keys() == {"api", "flower"}
    for (port,) in published.values():
        assert port.startswith("127.0.0.1:")


@pytest.mark.parametrize("name", OPERATED)
def test_published_ports_are_the_ports_listened_on(name: str) -> None:
    service = services()[name]
    for port in service.get("ports", []):
        command = service.get("command") or built(service).command
        healthcheck = service.get("healthcheck", {}).get("test") or built(service).healthcheck
        inside = port.rpartition(":")[2]
        assert inside in " ".join(command)
        assert f"'127.0.0.1', {inside}" in " ".join(healthcheck)


def test_outbound_shares_a_network_with_the_servers_only() -> None:
    joined = {name: service.get("networks", ["default"]) for name, service in services().items()}
    assert {name for name, networks in joined.items() if "outbound" in networks} == {"outbound", "db", "redis"}
    assert joined["outbound"] == ["outbound"]


def test_workers_can_be_scaled() -> None:
    assert {"ports", "container_name", "hostname"}.isdisjoint(services()["worker"])


@every_service
def test_external_images_have_a_version_tag_in_the_default_registry(name: str) -> None:
    image = services()[name].get("image", "any:1.2")
    assert re.fullmatch(r"([a-z]+/)?[a-z]+:\d+\.\d+(\.\d+)?(-[a-z]+)?", image)


@every_service_of_ours
def test_every_variable_is_one_that_the_process_reads(name: str) -> None:
    flower = importlib.import_module("flower.options").default_options
    read = setting_names() | {f"FLOWER_{option.upper()}" for option in flower}
    if name == "keys":
        read.add("TSAD_API_KEY")
    if name == "migrate":
        read.add(migrate.PASSWORD)
    if name == "tests":
        read.add("PGPASSWORD")  # read by libpq: in the URL, the password would have to be quoted
    environment = services()[name]["environment"]
    assert {variable for variable in environment if variable not in PASSWORDS or environment[variable]} <= read


@pytest.mark.parametrize("name", ["api", "worker", "reconciler", "outbound", "migrate"])
def test_settings_in_the_env_file_cannot_override_what_compose_sets(name: str) -> None:
    servers = {name.upper() for name in Settings.model_fields if name.startswith("database_")} - {
        "DATABASE_POOL_SIZE",
        "DATABASE_POOL_TIMEOUT_S",
        "DATABASE_CONNECT_TIMEOUT_S",
        "DATABASE_STATEMENT_TIMEOUT_S",
    }
    service = services()[name]
    assert service["env_file"] == [{"path": ".env", "required": False}]
    assert (
        servers | {"REDIS_URL", "FLOWER_URL", "TRAINING_DATA_FOLDER", "MODEL_STATE_FOLDER"}
        == service["environment"].keys() - PASSWORDS
    )


def test_flower_is_read_only_and_requires_a_password() -> None:
    environment = services()["flower"]["environment"]
    assert environment["FLOWER_READ_ONLY"] == "true"
    assert re.fullmatch(r"\w+:\w+", environment["FLOWER_BASIC_AUTH"])


def test_every_process_has_enough_time_to_stop() -> None:
    margin = 5
    (requests,) = re.findall(r"^GRACE_S = (\d+)", (ROOT / "api/__main__.py").read_text(), re.MULTILINE)
    assert seconds(services()["api"]["stop_grace_period"]) >= float(requests) + margin
    (fits,) = re.findall(r"^SHUTDOWN_GRACE_S = (\d+)", (ROOT / "worker/main.py").read_text(), re.MULTILINE)
    assert seconds(services()["worker"]["stop_grace_period"]) >= float(fits) + margin
    statement = Settings.model_fields["database_statement_timeout_s"].default
    assert seconds(services()["reconciler"]["stop_grace_period"]) >= statement + margin
    assert seconds(services()["outbound"]["stop_grace_period"]) >= TIMEOUT_S + statement + margin


def test_the_tests_are_opt_in_and_use_the_servers_of_this_file() -> None:
    tests = services()["tests"]
    assert tests["profiles"] == ["test"]
    assert tests["build"]["target"] == "test"
    assert "command" not in tests
    assert built(tests).command == ["python", "-m", "pytest"]
    assert tests["environment"]["DATABASE_URL"].startswith("postgresql://tsad@db:5432/")
    assert tests["environment"]["REDIS_URL"].endswith("@redis:6379/0")
