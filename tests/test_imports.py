"""Imports go one way, lazy ones counted; what users may import is what docs/api.md lists."""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("pipelines", "model", "trainer")
# Each package of `pipelines` may import those before it. The commands come last, and none of them
# imports another.
ORDER = ("runtime", "tfrecords", "augmentation", "loading", "sources", "conversion", "inspection")
COMMANDS = ("make_tfrecords", "inspect", "verify", "data_service")


def module_files() -> dict[str, Path]:
    files = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in files
    }


def imports_in(tree: ast.AST, modules: dict[str, Path]) -> Iterator[str]:
    """What a module imports, at its head or in a function: own modules, and other packages."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module and not node.level, "imports are absolute"
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in modules else node.module


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    modules = module_files()
    assert len(modules) > 100
    return {
        name: set(imports_in(ast.parse(path.read_text(encoding="utf-8")), modules)) - {name}
        for name, path in modules.items()
    }


def edges(graph: dict[str, set[str]], package: str) -> Iterator[tuple[str, str]]:
    for module, imported in graph.items():
        if module == package or module.startswith(f"{package}."):
            yield from ((module, name) for name in imported)


def test_no_module_imports_itself_through_others(graph):
    done: set[str] = set()

    def visit(module: str, way: tuple[str, ...]) -> None:
        assert module not in way, f"a circle: {' -> '.join((*way, module))}"
        if module not in done:
            for name in sorted(graph[module] & graph.keys()):
                visit(name, (*way, module))
            done.add(module)

    for module in graph:
        visit(module, ())


def test_pipelines_import_what_comes_before_them(graph):
    for module, name in edges(graph, "pipelines"):
        assert not name.startswith(("trainer", "model")), f"{module} imports {name}"
        if not name.startswith("pipelines.") or module == "pipelines":
            continue
        own, other = module.split(".")[1], name.split(".")[1]
        assert other in ORDER, f"{module} imports the command {name}"
        assert own in COMMANDS or own in ORDER, f"{module} has no place in the order"
        if own in ORDER:
            assert ORDER.index(other) <= ORDER.index(own), f"{module} imports {name}"


def test_model_imports_keras_alone(graph):
    allowed = {"keras", "model", "collections", "dataclasses", "math", "typing"}
    others = {name for _, name in edges(graph, "model") if name.split(".")[0] not in allowed}
    assert others == set()


def test_what_users_may_import_is_listed():
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w.]+)` \| (.+) \|$", text, re.MULTILINE)
    listed = {module: re.findall(r"`(\w+)`", names) for module, names in rows}
    declared = {
        name
        for name, path in module_files().items()
        if "\n__all__ = " in path.read_text(encoding="utf-8")
    }
    assert declared == listed.keys()
    for module, names in listed.items():
        imported = importlib.import_module(module)
        assert imported.__all__ == names == sorted(names)
        assert all(hasattr(imported, name) for name in names)
