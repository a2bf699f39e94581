"""The count of modules and imports finds rooms and circles."""

from tests.structure import circle_in, imports_of_rooms, room_of


def test_a_room_is_a_package_or_a_flat_module() -> None:
    assert room_of("shared.domain.detectors.msnn.state") == "shared.domain"
    assert room_of("api.main") == "api.main"


def test_rooms_import_what_their_modules_import_from_elsewhere() -> None:
    modules = {"api.a.x": {"api.a.y", "api.b.x"}, "api.a.y": {"shared.c"}}
    assert imports_of_rooms(modules) == {"api.a": {"api.b", "shared.c"}}


def test_a_circle_is_found_and_named() -> None:
    assert circle_in({"a": {"b"}, "b": {"c"}}) == ()
    assert set(circle_in({"a": {"b"}, "b": {"c"}, "c": {"a"}})) == {"a", "b", "c"}
