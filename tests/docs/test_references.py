"""Everything that the documents refer to exists."""

import re
from pathlib import Path

import pytest
from fastapi.routing import APIRoute

from api.openapi import scope_of
from tests.docs.markdown import DOCUMENTS, ROOT, blocks, code, without_blocks
from tests.routing import all_routes

FOLDERS = ("api", "worker", "shared", "migrations", "tests", "benchmark", "docs", ".ci", ".github")
PATH = re.compile(rf"(?:{'|'.join(map(re.escape, FOLDERS))})/[\w./*<>-]*")
LINK = re.compile(r"\]\(([^)\s]+)\)")
RUN = re.compile(r"python3 run (\w+)")
ROUTE = re.compile(r"(GET|POST|PUT|DELETE) (/[\w{}./]*)")
IDS = [str(document.relative_to(ROOT)) for document in DOCUMENTS]


@pytest.fixture(scope="module")
def routes() -> set[tuple[str, str]]:
    """Methods and paths of the routes and pages that people use."""
    declared = [route for route in all_routes() if isinstance(route, APIRoute)]
    public = {"/livez", "/readyz", "/ui/login"}
    return {
        (method, route.path)
        for route in declared
        for method in route.methods or ()
        if scope_of(route) or (route.path in public and method == "GET")
    }


def anchors(document: Path) -> set[str]:
    """The anchors that a link into the document may use."""
    headings = re.findall(r"^#+ (.+)$", without_blocks(document.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=IDS)
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    for link in LINK.findall(document.read_text()):
        if link.startswith(("http://", "https://")):
            continue
        name, _, anchor = link.partition("#")
        target = document.parent / name if name else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("document", DOCUMENTS, ids=IDS)
def test_every_file_that_is_named_exists(document: Path) -> None:
    text = document.read_text()
    created = set(re.findall(r"Save this as `([^`]+)`", text))  # by the reader of a recipe
    for name in code(without_blocks(text)):
        if PATH.fullmatch(name) and "<" not in name and name not in created:
            assert list(ROOT.glob(name)), name


@pytest.mark.parametrize("document", DOCUMENTS, ids=IDS)
def test_every_command_of_run_exists(document: Path) -> None:
    script, tsad = (ROOT / "run").read_text(), {file.stem for file in ROOT.glob("api/cli/commands/*.py")}
    for command in RUN.findall(document.read_text()):
        assert f'    "{command}": ' in script or command in tsad, command


@pytest.mark.parametrize("document", DOCUMENTS, ids=IDS)
def test_every_route_that_is_named_is_served(document: Path, routes: set[tuple[str, str]]) -> None:
    named = set(ROUTE.findall(document.read_text()))
    assert named - routes == set()


def test_the_reference_lists_every_route(routes: set[tuple[str, str]]) -> None:
    assert routes - set(ROUTE.findall((ROOT / "docs/reference/routes.md").read_text())) == set()


def test_the_architecture_says_what_every_package_contains() -> None:
    text = (ROOT / "docs/explanation/architecture.md").read_text()
    files = [*ROOT.glob("api/*/__init__.py"), *ROOT.glob("shared/*/__init__.py")]
    packages = [file.parent.relative_to(ROOT) for file in files]
    assert len(packages) > 20
    assert [str(package) for package in packages if f"`{package}/" not in text] == []


def test_every_diagram_is_linked_and_is_a_sequence_diagram() -> None:
    architecture = (ROOT / "docs/explanation/architecture.md").read_text()
    diagrams = sorted(ROOT.glob("docs/explanation/*.mmd"))
    assert len(diagrams) >= 5
    for diagram in diagrams:
        assert f"]({diagram.name})" in architecture, diagram.name
        assert diagram.read_text().startswith("sequenceDiagram\n"), diagram.name


def test_every_fenced_block_is_closed() -> None:
    for document in DOCUMENTS:
        text = document.read_text()
        assert text.count("\n```") == 2 * len(blocks(text)), document.name
