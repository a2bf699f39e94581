"""`tsad keys` on a separate installation."""

import pytest

from shared.domain.access import digest, new_token
from shared.settings import Settings
from shared.store import keys
from shared.store.engine import Sessions
from tests.cli.commands import Tsad
from tests.processes import serving


def test_a_key_is_shown_once_works_and_is_stored_as_a_hash(
    operate: Tsad, installation: Settings, installation_sessions: Sessions
) -> None:
    created = operate(
        installation, "keys", "create", "--name=cron", "--scopes=read,fit", "--series-prefix=a.", "--expires=90d"
    )
    token = created.out.strip()
    assert (created.code, len(token)) == (0, 48)
    assert "from now on, every request needs one" in created.err
    assert "TSAD_API_KEY" in created.err
    assert "every request needs one" not in operate(installation, "keys", "create", "--name=other").err
    with installation_sessions.begin() as session:
        assert digest(token) in {credential.digest for credential in keys.read(session).valid}
    key_list = operate(installation, "keys", "list")
    for part in ("cron", "fit,read", "a.…", "until 20"):
        assert part in key_list.out
    assert token not in key_list.out
    with serving(installation) as api:
        assert api.get("/series", headers={"X-API-Key": token}).status_code == 200


def test_a_key_is_rotated_and_revoked_by_its_id(
    operate: Tsad, installation: Settings, installation_sessions: Sessions
) -> None:
    (created,) = operate(installation, "keys", "create", "--name=cron", "--json").answers
    (rotated,) = operate(installation, "keys", "rotate", created["key_id"], "--overlap=1h", "--json").answers
    assert rotated["key_id"] == created["key_id"]
    with installation_sessions.begin() as session:
        valid = {credential.digest for credential in keys.read(session).valid}
    assert valid == {digest(created["token"]), digest(rotated["token"])}
    assert operate(installation, "keys", "revoke", created["key_id"]).code == 0
    with installation_sessions.begin() as session:
        assert keys.read(session) == keys.Credentials(any_created=True, valid=[], browsers=[])
    for command in ("rotate", "revoke"):
        repeated = operate(installation, "keys", command, created["key_id"])
        assert repeated.code != 0
        assert "There is no active key" in repeated.err
    (key,) = operate(installation, "keys", "list", "--json").answers
    assert key["revoked_at"]
    assert not key["active"]


def test_the_first_key_is_created_from_a_secret_only_once(
    operate: Tsad, installation: Settings, installation_sessions: Sessions
) -> None:
    secret = new_token()
    for _ in range(2):
        result = operate(installation, "keys", "create", "--name=first", "--first", TSAD_API_KEY=secret)
        assert result.code == 0
        assert secret not in result.out + result.err
    with installation_sessions.begin() as session:
        assert [key.digest for key in keys.read(session).valid] == [digest(secret)]


def test_without_a_secret_the_first_key_is_random_and_created_only_once(operate: Tsad, installation: Settings) -> None:
    first = operate(installation, "keys", "create", "--name=first", "--first", TSAD_API_KEY="")
    assert first.out.startswith("tsad_")
    assert operate(installation, "keys", "create", "--name=first", "--first", TSAD_API_KEY="").out == ""


@pytest.mark.parametrize("secret", ["changeme", "x" * 40, "with blanks " * 5, "ü" * 40])
def test_a_guessable_secret_is_rejected(operate: Tsad, installation: Settings, secret: str) -> None:
    result = operate(installation, "keys", "create", "--name=first", "--first", TSAD_API_KEY=secret)
    assert result.code == 2
    assert "random" in result.err
    assert secret not in result.err


@pytest.mark.parametrize(
    "options",
    [
        ("--scopes=magic",),
        ("--scopes=",),
        ("--expires=soon",),
        ("--expires=2020-01-01",),
        ("--series-prefix=a b",),
        ("--name=",),
        ("--name=" + "x" * 101,),
    ],
)
def test_invalid_options_of_a_key_are_reported_in_a_sentence(
    operate: Tsad, installation: Settings, options: tuple[str, ...]
) -> None:
    result = operate(installation, "keys", "create", "--name=test", *options)
    assert (result.code, result.out) == (2, "")
    assert result.err.strip()
