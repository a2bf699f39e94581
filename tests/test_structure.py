"""The structure report finds components and import cycles."""

from tests.structure import component_of, find_cycle, imports_of_components


def test_a_component_is_a_package_or_a_top_level_module() -> None:
    assert component_of("shared.domain.detectors.msnn.state") == "shared.domain"
    assert component_of("api.main") == "api.main"


def test_components_import_what_their_modules_import_from_other_components() -> None:
    modules = {"api.a.x": {"api.a.y", "api.b.x"}, "api.a.y": {"shared.c"}}
    assert imports_of_components(modules) == {"api.a": {"api.b", "shared.c"}}


def test_an_import_cycle_is_found_and_named() -> None:
    assert find_cycle({"a": {"b"}, "b": {"c"}}) == ()
    assert set(find_cycle({"a": {"b"}, "b": {"c"}, "c": {"a"}})) == {"a", "b", "c"}
