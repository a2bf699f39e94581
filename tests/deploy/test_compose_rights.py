"""The privileges of each container in compose, and the passwords that it gets."""

import pytest

from api.cli.commands import migrate
from tests.deploy.composition import PASSWORDS, compose, services


@pytest.mark.parametrize("name", [name for name in services() if name != "tests"])
def test_containers_can_change_nothing_but_their_volume(name: str) -> None:
    service = services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["tmpfs"] == ["/tmp"] + ["/var/run/postgresql"] * (name == "db")  # noqa: S108 - in the container


def test_servers_neither_run_as_root_nor_switch_users() -> None:
    assert services()["db"]["user"] == "postgres"
    assert services()["redis"]["user"] == "valkey"


def test_each_process_uses_its_redis_user_and_password() -> None:
    users = {
        "api": "api",
        "reconciler": "api",
        "outbound": "api",
        "worker": "worker",
        "flower": "flower",
        "tests": "admin",
    }
    environments = {name: service.get("environment", {}) for name, service in compose()["services"].items()}
    for name, user in users.items():
        password = f"REDIS_{user.upper()}_PASSWORD"
        assert environments[name]["REDIS_URL"] == f"redis://{user}:{environments['redis'][password]}@redis:6379/0"
        assert environments["redis"][password] == f"${{{password}:-tsad}}"
    assert services()["redis"]["command"][:3] == ["sh", "/etc/tsad/redis.sh", "valkey-server"]
    assert "./docs/deploy/redis.sh:/etc/tsad/redis.sh:ro" in services()["redis"]["volumes"]


@pytest.mark.parametrize("name", ["api", "worker", "reconciler", "outbound", "migrate", "keys"])
def test_a_process_gets_no_password_that_it_does_not_need(name: str) -> None:
    allowed = {"migrate": {migrate.PASSWORD}, "keys": {"TSAD_API_KEY"}}.get(name, set())
    environment = compose()["services"][name]["environment"]
    assert {variable for variable in PASSWORDS if environment[variable] != ""} == allowed


def test_passwords_are_never_part_of_a_command() -> None:
    for service in compose()["services"].values():
        texts = [service.get("command", ""), service.get("healthcheck", "")]
        assert not any(name in str(texts) for name in PASSWORDS)


def test_each_database_role_is_created_with_the_password_of_its_clients() -> None:
    environments = {name: service.get("environment", {}) for name, service in compose()["services"].items()}
    owner, app = "${POSTGRES_PASSWORD:-tsad}", "${POSTGRES_APP_PASSWORD:-tsad}"
    assert environments["db"]["POSTGRES_PASSWORD"] == environments["tests"]["PGPASSWORD"] == owner
    assert (environments["migrate"]["DATABASE_USER"], environments["migrate"]["DATABASE_PASSWORD"]) == ("tsad", owner)
    assert environments["migrate"][migrate.PASSWORD] == app
    role = services()["migrate"]["command"][-1].removeprefix("--role=")
    for name in ("api", "worker", "reconciler", "outbound", "keys"):
        assert (environments[name]["DATABASE_USER"], environments[name]["DATABASE_PASSWORD"]) == (role, app)
