"""`python -m tests.structure [FOLDER]`: count modules and the imports between them, and look for import cycles.

A component is a package, such as `api.routes` or `shared.store`, with everything in it; a module directly in `api`,
`worker`, `shared` or `migrations` is its own component. Exits with 1 if components or modules import each other in a
cycle, or too many modules lie directly in `api`.
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

Imports = Mapping[str, Iterable[str]]  # what each module or component imports


def main(folder: Path) -> int:
    """Print the counts for the checkout; return 1 if a rule is broken."""
    sys.path[:0] = [str(folder)]
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    modules = {module: graph.find_modules_directly_imported_by(module) for module in sorted(graph.modules)}
    components = imports_of_components(modules)
    sizes = Counter(map(component_of, modules))
    importers = Counter(imported for imports in components.values() for imported in imports)
    flat = [module for module in modules if module.startswith("api.") and sizes[component_of(module)] == 1]
    cycles = {"modules": find_cycle(modules), "components": find_cycle(components)}
    lines = [
        f"{name:24} {sizes[name]:3} modules, imports {len(components[name]):2} components, "
        f"imported by {importers[name]:2}"
        for name in sorted(sizes)
        if sizes[name] > 1
    ]
    lines += [f"import cycle of {kind}: {' -> '.join(cycle) or 'none'}" for kind, cycle in cycles.items()]
    lines.append(
        f"{len(modules)} modules, {sum(map(len, modules.values())):,} imports between them; "
        f"{len(components)} components, {sum(map(len, components.values()))} imports between them; "
        f"{len(flat)} modules directly in api (limit {MAX_FLAT})"
    )
    print("\n".join(lines))  # noqa: T201
    return int(any(cycles.values()) or len(flat) > MAX_FLAT)


def component_of(module: str) -> str:
    """Return the component of a module: the first two parts of its name."""
    return ".".join(module.split(".")[:2])


def imports_of_components(modules: Imports) -> dict[str, set[str]]:
    """Return for each component the other components that its modules import."""
    components: dict[str, set[str]] = defaultdict(set)
    for module, imports in modules.items():
        components[component_of(module)] |= {component_of(imported) for imported in imports} - {component_of(module)}
    return components


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
