"""What the package needs is what it says: who installs it without the tests' packages can run it."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

REPOSITORY = Path(__file__).parent.parent
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
TYPES_ONLY = ("_typeshed", "rybbit/web/api/front.py")
EXTRAS = PROJECT["optional-dependencies"]


def _name(text: str) -> str:
    return re.sub("[-_.]+", "-", text).lower()


def _installed_by(texts: Iterable[str]) -> set[str]:
    """The names of distributions that come with some, and with these."""
    found: set[str] = set()
    waiting = [Requirement(text) for text in texts]
    while waiting:
        requirement = waiting.pop()
        if _name(requirement.name) in found:
            continue
        found.add(_name(requirement.name))
        for text in requires(requirement.name) or ():
            needed = Requirement(text)
            extras = ["", *requirement.extras]
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append(needed)
    return found


def _imports() -> Iterator[tuple[str, str]]:
    """Each module of others that the package imports, by its first name, and where."""
    for path in sorted((REPOSITORY / "rybbit").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            for name in names:
                first = name.partition(".")[0]
                if first != "rybbit" and first not in sys.stdlib_module_names:
                    yield first, str(path.relative_to(REPOSITORY))


def test_all_that_is_imported_is_installed_along() -> None:
    ours = _installed_by(PROJECT["dependencies"])
    ours |= _installed_by(text for extra, texts in EXTRAS.items() if extra != "test" for text in texts)
    known = packages_distributions()
    missing = {
        (module, place)
        for module, place in _imports()
        if not {_name(each) for each in known.get(module, ())} & ours
    }
    # The build hook runs where hatch has installed what it needs, and type checkers bring their own module.
    assert {each for each in missing if each[1] != "rybbit/build_hook.py"} - {TYPES_ONLY} == set()


@pytest.mark.parametrize(
    "text", [*PROJECT["dependencies"], *(text for each in EXTRAS.values() for text in each)]
)
def test_every_requirement_has_a_lower_bound(text: str) -> None:
    bounds = Requirement(text).specifier
    assert [bound.operator for bound in bounds] == [">="], text
