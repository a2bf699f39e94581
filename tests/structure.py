"""`python -m tests.structure [FOLDER]`: count modules and the imports between them, and look for import cycles.

A room is a package, such as `api.routes` or `shared.store`, with everything in it; a module directly in `api`,
`worker`, `shared` or `migrations` is its own room. Exits with 1 if rooms or modules import each other in a cycle, or
too many modules lie directly in `api`.
"""

import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("api", "worker", "shared", "migrations")
MAX_FLAT = 16

Imports = Mapping[str, Iterable[str]]  # what each module or room imports


def main(folder: Path) -> int:
    """Print the counts for the checkout; return 1 if a rule is broken."""
    sys.path[:0] = [str(folder)]
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    modules = {module: graph.find_modules_directly_imported_by(module) for module in sorted(graph.modules)}
    rooms = imports_of_rooms(modules)
    sizes = Counter(map(room_of, modules))
    importers = Counter(imported for imports in rooms.values() for imported in imports)
    flat = [module for module in modules if module.startswith("api.") and sizes[room_of(module)] == 1]
    cycles = {"modules": find_cycle(modules), "rooms": find_cycle(rooms)}
    lines = [
        f"{room:24} {sizes[room]:3} modules, imports {len(rooms[room]):2} rooms, imported by {importers[room]:2}"
        for room in sorted(sizes)
        if sizes[room] > 1
    ]
    lines += [f"import cycle of {kind}: {' -> '.join(cycle) or 'none'}" for kind, cycle in cycles.items()]
    lines.append(
        f"{len(modules)} modules, {sum(map(len, modules.values())):,} imports between them; {len(rooms)} rooms, "
        f"{sum(map(len, rooms.values()))} imports between them; {len(flat)} modules directly in api (limit {MAX_FLAT})"
    )
    print("\n".join(lines))  # noqa: T201
    return int(any(cycles.values()) or len(flat) > MAX_FLAT)


def room_of(module: str) -> str:
    """Return the room of a module: the first two parts of its name."""
    return ".".join(module.split(".")[:2])


def imports_of_rooms(modules: Imports) -> dict[str, set[str]]:
    """Return for each room the other rooms that its modules import."""
    rooms: dict[str, set[str]] = defaultdict(set)
    for module, imports in modules.items():
        rooms[room_of(module)] |= {room_of(imported) for imported in imports} - {room_of(module)}
    return rooms


def find_cycle(imports: Imports) -> Sequence[str]:
    """Return one import cycle; empty if there is none."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        cycle: Sequence[str] = error.args[1]
        return cycle
    return ()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT))
