"""The structure report finds rooms and import cycles."""

from tests.structure import find_cycle, imports_of_rooms, room_of


def test_a_room_is_a_package_or_a_top_level_module() -> None:
    assert room_of("shared.domain.detectors.msnn.state") == "shared.domain"
    assert room_of("api.main") == "api.main"


def test_rooms_import_what_their_modules_import_from_other_rooms() -> None:
    modules = {"api.a.x": {"api.a.y", "api.b.x"}, "api.a.y": {"shared.c"}}
    assert imports_of_rooms(modules) == {"api.a": {"api.b", "shared.c"}}


def test_an_import_cycle_is_found_and_named() -> None:
    assert find_cycle({"a": {"b"}, "b": {"c"}}) == ()
    assert set(find_cycle({"a": {"b"}, "b": {"c"}, "c": {"a"}})) == {"a", "b", "c"}
