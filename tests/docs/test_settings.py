"""docs/reference/settings.md, the tables of settings."""

import re

from shared.settings import SECRETS, Settings
from tests.deploy.composition import variables
from tests.deploy.test_env_example import as_documented, setting_names
from tests.docs.markdown import DOCUMENTS, ROOT, code, rows, without_blocks

SETTING = re.compile(r"[A-Z]+(?:_[A-Z]+)+")
SETTINGS = (ROOT / "docs/reference/settings.md").read_text()


def documented_settings() -> list[tuple[str, str, str]]:
    return [(name.strip("`"), default.strip("`"), meaning) for name, default, meaning in rows(SETTINGS)]


def test_every_setting_is_listed_in_order_with_its_default_and_meaning() -> None:
    known_names = setting_names()
    assert [row for row in documented_settings() if row[0] in known_names] == [
        as_documented(name, field) for name, field in Settings.model_fields.items()
    ]


def test_every_variable_of_compose_is_listed_with_its_default() -> None:
    documented = {name: default for name, default, _ in documented_settings()}
    assert {
        name: value for name, value in variables().items() if name not in setting_names()
    }.items() <= documented.items()


def test_every_limit_and_setting_that_the_documents_name_exists() -> None:
    known_names = setting_names() | variables().keys() | {"TSAD_HOME", "TSAD_URL", "TSAD_API_KEY"}
    known_names |= {"TSAD_SOURCE_TOKEN", "TSAD_SOURCE_TOKEN_FILE"}  # chosen by users
    known_names |= {f"{name.upper()}_FILE" for name in SECRETS}
    for path in set(DOCUMENTS) - {ROOT / "CHANGELOG.md"}:
        named = {name for name in code(without_blocks(path.read_text())) if SETTING.fullmatch(name)}
        assert named - known_names == set(), path.name
