"""`tsad keys`, on an installation of its own."""

import pytest

from shared.domain.access import digest, new_token
from shared.settings import Settings
from shared.store import keys
from shared.store.engine import Sessions
from tests.cli.commands import Tsad
from tests.processes import serving


def test_a_key_is_shown_once_works_and_is_stored_as_a_hash(
    operate: Tsad, own: Settings, own_sessions: Sessions
) -> None:
    made = operate(own, "keys", "create", "--name=cron", "--scopes=read,fit", "--series-prefix=a.", "--expires=90d")
    token = made.out.strip()
    assert (made.code, len(token)) == (0, 48)
    with own_sessions.begin() as session:
        (credential,) = keys.read(session).valid
    assert credential.digest == digest(token)
    listed = operate(own, "keys", "list")
    for shown in ("cron", "fit,read", "a.…", "until 20"):
        assert shown in listed.out
    assert token not in listed.out
    with serving(own) as api:
        assert api.get("/series", headers={"X-API-Key": token}).status_code == 200


def test_a_key_is_rotated_and_revoked_by_its_id(operate: Tsad, own: Settings, own_sessions: Sessions) -> None:
    (made,) = operate(own, "keys", "create", "--name=cron", "--json").answers
    (rotated,) = operate(own, "keys", "rotate", made["key_id"], "--overlap=1h", "--json").answers
    assert rotated["key_id"] == made["key_id"]
    with own_sessions.begin() as session:
        valid = {credential.digest for credential in keys.read(session).valid}
    assert valid == {digest(made["token"]), digest(rotated["token"])}
    assert operate(own, "keys", "revoke", made["key_id"]).code == 0
    with own_sessions.begin() as session:
        assert keys.read(session) == keys.Credentials(any_made=True, valid=[])
    for command in ("rotate", "revoke"):
        again = operate(own, "keys", command, made["key_id"])
        assert again.code != 0
        assert "There is no key" in again.told
    (listed,) = operate(own, "keys", "list", "--json").answers
    assert listed["revoked_at"]
    assert not listed["active"]


def test_the_first_key_comes_from_a_secret_as_often_as_it_is_asked_for(
    operate: Tsad, own: Settings, own_sessions: Sessions
) -> None:
    secret = new_token()
    for _ in range(2):
        ended = operate(own, "keys", "create", "--name=first", "--first", TSAD_API_KEY=secret)
        assert ended.code == 0
        assert secret not in ended.out + ended.told
    with own_sessions.begin() as session:
        assert [one.digest for one in keys.read(session).valid] == [digest(secret)]


def test_without_a_secret_the_first_key_is_made_at_random_and_only_once(operate: Tsad, own: Settings) -> None:
    first = operate(own, "keys", "create", "--name=first", "--first", TSAD_API_KEY="")
    assert first.out.startswith("tsad_")
    assert operate(own, "keys", "create", "--name=first", "--first", TSAD_API_KEY="").out == ""


@pytest.mark.parametrize("secret", ["changeme", "x" * 40, "with blanks " * 5, "ü" * 40])
def test_a_secret_that_can_be_guessed_is_refused(operate: Tsad, own: Settings, secret: str) -> None:
    ended = operate(own, "keys", "create", "--name=first", "--first", TSAD_API_KEY=secret)
    assert ended.code == 2
    assert "random" in ended.told
    assert secret not in ended.told


@pytest.mark.parametrize(
    "options",
    [
        ("--scopes=write",),
        ("--scopes=",),
        ("--expires=soon",),
        ("--expires=2020-01-01",),
        ("--series-prefix=a b",),
        ("--name=",),
        ("--name=" + "x" * 101,),
    ],
)
def test_what_makes_no_key_is_a_sentence(operate: Tsad, own: Settings, options: tuple[str, ...]) -> None:
    ended = operate(own, "keys", "create", "--name=test", *options)
    assert (ended.code, ended.out) == (2, "")
    assert ended.told.strip()
