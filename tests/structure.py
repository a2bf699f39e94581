"""`python -m tests.structure [FOLDER]`: count modules and the imports between them, and look for circles.

A room is a package, such as `api.routes` or `shared.store`, with all that is inside; a module that lies directly in
`api`, `worker`, `shared` or `migrations` is a room of its own. Exits with 1 where rooms or modules import in a circle,
or too many modules lie flat in `api`.
"""

import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("api", "worker", "shared", "migrations")
MOST_FLAT = 16

Imports = Mapping[str, Iterable[str]]  # of each module or room, those that it imports


def main(folder: Path) -> int:
    """Print the figures of the checkout; 1 where a rule is broken."""
    sys.path[:0] = [str(folder)]
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    modules = {module: graph.find_modules_directly_imported_by(module) for module in sorted(graph.modules)}
    rooms = imports_of_rooms(modules)
    sizes = Counter(map(room_of, modules))
    importers = Counter(imported for imports in rooms.values() for imported in imports)
    flat = [module for module in modules if module.startswith("api.") and sizes[room_of(module)] == 1]
    circles = {"modules": circle_in(modules), "rooms": circle_in(rooms)}
    lines = [
        f"{room:24} {sizes[room]:3} modules, imports {len(rooms[room]):2} rooms, in {importers[room]:2} others"
        for room in sorted(sizes)
        if sizes[room] > 1
    ]
    lines += [f"circle of {kind}: {' -> '.join(circle) or 'none'}" for kind, circle in circles.items()]
    lines.append(
        f"{len(modules)} modules, {sum(map(len, modules.values())):,} imports between them; {len(rooms)} rooms, "
        f"{sum(map(len, rooms.values()))} imports between those; {len(flat)} modules flat in api (at most {MOST_FLAT})"
    )
    print("\n".join(lines))  # noqa: T201
    return int(any(circles.values()) or len(flat) > MOST_FLAT)


def room_of(module: str) -> str:
    """The package or flat module, two names deep, that a module belongs to."""
    return ".".join(module.split(".")[:2])


def imports_of_rooms(modules: Imports) -> dict[str, set[str]]:
    """For each room the others that any of its modules imports."""
    rooms: dict[str, set[str]] = defaultdict(set)
    for module, imports in modules.items():
        rooms[room_of(module)] |= {room_of(imported) for imported in imports} - {room_of(module)}
    return rooms


def circle_in(imports: Imports) -> Sequence[str]:
    """One circle of imports; empty where there is none."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        circle: Sequence[str] = error.args[1]
        return circle
    return ()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT))
