import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args, get_origin

import pytest
from pydantic import AliasChoices
from pydantic.fields import FieldInfo

from shared.settings import Settings
from tests.deploy.composition import variables
from tests.deploy.images import ROOT

EXAMPLE = ROOT / ".env.example"


def names(field_name: str, field: FieldInfo) -> list[str]:
    """Return the variables that set the field, the preferred one first."""
    if isinstance(field.validation_alias, AliasChoices):
        return [str(choice) for choice in field.validation_alias.choices]
    return [field_name.upper()]


def as_documented(field_name: str, field: FieldInfo) -> tuple[str, str, str]:
    """Return a setting's variable, default and comment."""
    name, *others = names(field_name, field)
    comment = field.description or ""
    if get_origin(field.annotation) is Literal:
        comment += f" (one of: {', '.join(get_args(field.annotation))})"
    if others:
        comment += f" (also read as {', '.join(others)})"
    return name, str(field.default), comment


def blocks() -> Iterator[tuple[str, str, str]]:
    """Yield the name, value and comment of each variable in the file, in order."""
    for block in EXAMPLE.read_text().split("\n\n"):
        *comments, last = block.strip().splitlines()
        name, equals, value = last.removeprefix("#").partition("=")
        if equals and not last.startswith("# "):
            yield name, value, " ".join(line.removeprefix("# ") for line in comments)


def setting_names() -> set[str]:
    return {name for field_name, field in Settings.model_fields.items() for name in names(field_name, field)}


@pytest.fixture
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Remove all settings from the environment, and enter a folder without `.env`."""
    for name in os.environ:
        if name.upper() in setting_names():
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_every_setting_is_listed_in_order_with_its_default_and_description() -> None:
    documented = [block for block in blocks() if block[0] in setting_names()]
    assert documented == [as_documented(name, field) for name, field in Settings.model_fields.items()]


def test_every_compose_variable_is_listed_with_its_default() -> None:
    documented = {name: value for name, value, _ in blocks() if name not in setting_names()}
    assert documented == {name: value for name, value in variables().items() if name not in setting_names()}


def test_every_variable_has_a_comment() -> None:
    assert [name for name, _, comment in blocks() if not comment] == []


def test_an_unchanged_copy_has_no_effect(no_settings: None) -> None:
    defaults = Settings.load()
    shutil.copy(EXAMPLE, ".env")
    copied = Settings.load()
    assert copied == defaults
    assert copied.model_fields_set == defaults.model_fields_set == set()


def test_every_listed_default_parses_to_the_default(no_settings: None) -> None:
    lines = [f"{name}={value}" for name, value, _ in blocks() if name in setting_names()]
    Path(".env").write_text("\n".join(lines))
    loaded = Settings.load()
    assert loaded == Settings(_env_file=None)
    assert loaded.model_fields_set == {name for name, field in Settings.model_fields.items() if field.default != ""}
