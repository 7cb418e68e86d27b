"""The code as a whole: imports run one way, functions and files stay small, everything is described."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
PACKAGE = REPOSITORY / "rybbit"

LONGEST_FUNCTION = 60
LONGEST_FILE = 400

# Everybody may import these.
GROUND = {"errors", "clock", "config", "paths", "locks", "faults", "version"}
EVERYTHING = {"everything"}
# What may import what, by the first name below `rybbit`. Imports of one's own area need no mention.
ALLOWED = {
    "rybbit": {"factory", "extension"},
    "__main__": {"cli"},
    "factory": EVERYTHING,
    "runtime": EVERYTHING,
    "extension": {"factory", "runtime", "services", "ingest", "store"},
    "cli": {
        *{"factory", "runtime", "services", "ingest", "store"},
        *{"models", "migrations", "database", "extensions"},  # the operator's commands look after these
        "transfer",  # loading is the operator's
        "stats",  # an export answers a question, as over the API
    },
    "web": {
        *{"services", "ingest", "stats", "limits", "security"},
        "runtime",  # in `access`, which finds the parts of the running app
        "models",  # the types of what services hand out
        "extensions",  # the session of the request, and the exemption from CSRF
    },
    "services": {"models", "store", "security", "ingest", "extensions"},
    "ingest": {
        *{"models", "limits", "security", "extensions"},
        "store",  # the journal is the last stage of the write path
    },
    "stats": {"store"},
    "transfer": {
        "store",  # what is loaded goes by the journal
        "ingest",  # channels and visitors, as events that come in have them
    },
    "store": set(),
    "models": {"extensions", "security"},
    "migrations": {"models", "database", "extensions"},
    "limits": {"limit_storage"},
    "limit_storage": set(),
    "database": set(),
    "extensions": set(),
    "background": set(),
    "security": set(),
    "config": set(),
    "paths": set(),
    "errors": set(),
    "clock": set(),
    "locks": set(),
    "faults": set(),
    "version": set(),
    "build_hook": set(),
}
IMPORTERS_OF_RUNTIME = {"factory", "extension", "web.access", "cli"}
FLASK_IN = {"factory", "extension", "extensions", "config", "cli", "security", "limits", "web"}
ENGINES: dict[str, str | tuple[str, ...]] = {
    # It also writes the files that are exported, and sorts those that are imported.
    "duckdb": ("store.lake", "store.export", "transfer.tables"),
    "arro3": "store.export_pages",
    "deltalake": "store.lake",
    "clickhouse_connect": "store.clickhouse",
}


@dataclass(frozen=True)
class Import:
    """One import of a module: by whom, of what, and whether it runs when the importing module is loaded."""

    importer: str
    imported: str
    line: int
    at_load: bool

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.imported}"


def _name_of(path: Path) -> str:
    """The name of a module below `rybbit`; `rybbit` for the package itself."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__") or "rybbit"


def _sources(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


MODULES = {_name_of(path): ast.parse(path.read_text()) for path in _sources(PACKAGE)}


def _area(module: str) -> str:
    return module.partition(".")[0]


def _imports_of(module: str) -> Iterator[Import]:
    """Every import; those for type checkers alone count, but not as running at load."""
    waiting: list[tuple[ast.AST, bool]] = [(MODULES[module], True)]
    while waiting:
        node, at_load = waiting.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            for name in _imported_names(node):
                yield Import(module, name, node.lineno, at_load)
        is_later = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or _is_for_types(
            node
        )
        waiting += [(child, at_load and not is_later) for child in ast.iter_child_nodes(node)]


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _imported_names(node: ast.Import | ast.ImportFrom) -> list[str]:
    """Modules of ours by their names below `rybbit`, others as `/` and their first name."""
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    else:
        assert node.level == 0, f"line {node.lineno}: imports are written in full"
        names = [f"{node.module}.{alias.name}" for alias in node.names]
    return [_shortened(name) for name in names]


def _shortened(name: str) -> str:
    first, _, rest = name.partition(".")
    if first != "rybbit":
        return f"/{first}"
    while rest and rest not in MODULES:
        rest = rest.rpartition(".")[0]
    return rest or "rybbit"


IMPORTS = [found for module in MODULES for found in _imports_of(module)]
OURS = [found for found in IMPORTS if not found.imported.startswith("/")]


class TestImports:
    """Who may know of whom."""

    def test_the_table_knows_every_area(self) -> None:
        assert {_area(module) for module in MODULES} == set(ALLOWED)

    def test_they_run_one_way(self) -> None:
        forbidden = [
            str(found)
            for found in OURS
            if (area := _area(found.imported)) not in GROUND | {_area(found.importer)}
            and ALLOWED[_area(found.importer)] is not EVERYTHING
            and area not in ALLOWED[_area(found.importer)]
        ]
        assert forbidden == []

    def test_the_store_knows_nothing_of_us(self) -> None:
        known = {_area(found.imported) for found in OURS if _area(found.importer) == "store"}
        assert known <= {"store", "errors", "clock", "config", "locks", "faults"}

    def test_the_runtime_is_known_to_few(self) -> None:
        importers = {found.importer for found in OURS if found.imported == "runtime"}
        assert [name for name in importers if not {name, _area(name)} & IMPORTERS_OF_RUNTIME] == []

    def test_no_module_needs_itself(self) -> None:
        graph: dict[str, set[str]] = {}
        for found in OURS:
            if found.at_load and found.imported != found.importer:
                graph.setdefault(found.importer, set()).add(found.imported)
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            pytest.fail(f"imports in a circle: {' -> '.join(error.args[1])}")

    def test_the_two_surfaces_do_not_know_each_other(self) -> None:
        surfaces = ("web.api", "web.pages")
        assert [
            str(found)
            for found in OURS
            if found.importer.startswith(surfaces)
            and found.imported.startswith(surfaces)
            and found.importer.split(".")[:2] != found.imported.split(".")[:2]
        ] == []

    def test_flask_stays_outside(self) -> None:
        flasks = {
            f"/{name}" for name in ("flask", "werkzeug", "flask_limiter", "flask_sqlalchemy", "flask_wtf")
        }
        assert [
            str(found)
            for found in IMPORTS
            if found.imported in flasks and _area(found.importer) not in FLASK_IN
        ] == []

    @pytest.mark.parametrize(("engine", "home"), ENGINES.items())
    def test_engines_stay_in_their_files(self, engine: str, home: str | tuple[str, ...]) -> None:
        found = [each for each in IMPORTS if each.imported == f"/{engine}"]
        assert [str(each) for each in found if not each.importer.startswith(home)] == []
        assert [str(each) for each in found if each.at_load] == []

    def test_what_is_heavy_waits(self) -> None:
        """`rybbit --help` and the helper processes start without the web framework and the engines."""
        heavy = ["flask", "sqlalchemy", "duckdb", "deltalake", "granian", "pydantic", "crawleruseragents"]
        code = (
            "import sys, rybbit, rybbit.cli, rybbit.config, rybbit.store.base\n"
            f"print([name for name in {heavy} if name in sys.modules])"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "[]"


def test_services_never_commit() -> None:
    """The end of the request or command does."""
    calls = [
        f"{module}:{node.lineno}"
        for module, tree in MODULES.items()
        if _area(module) == "services"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in ("commit", "rollback", "begin")
    ]
    assert calls == []


Function = ast.FunctionDef | ast.AsyncFunctionDef


class TestSizes:
    """Small enough to be read at once; of tests too."""

    FILES = [REPOSITORY / "app.py", *_sources(PACKAGE), *_sources(REPOSITORY / "tests")]  # noqa: RUF012

    def test_functions(self) -> None:
        long = [
            f"{path.relative_to(REPOSITORY)}:{node.lineno} {node.name}: {length} lines"
            for path in self.FILES
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, Function) and (length := _length(node)) > LONGEST_FUNCTION
        ]
        assert long == []

    def test_files(self) -> None:
        lengths = {path.relative_to(REPOSITORY): len(path.read_text().splitlines()) for path in self.FILES}
        assert {path: length for path, length in lengths.items() if length > LONGEST_FILE} == {}


def _length(node: Function) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


@dataclass(frozen=True)
class Definition:
    """A class or function of the package, where it stands, and whether it is meant for others."""

    place: str
    node: Function | ast.ClassDef
    public: bool


def _definitions(module: str) -> Iterator[Definition]:
    waiting: list[tuple[ast.AST, str, bool]] = [(MODULES[module], module, True)]
    while waiting:
        node, place, public = waiting.pop()
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, Function | ast.ClassDef):
                waiting.append((child, place, public))
                continue
            name = f"{place}.{child.name}"
            is_public = public and not child.name.startswith("_")
            yield Definition(name, child, is_public)
            # What is defined in a function is nobody's business outside.
            waiting.append((child, name, is_public and isinstance(child, ast.ClassDef)))


DEFINITIONS = [found for module in MODULES for found in _definitions(module)]


class TestDescriptions:
    """What a caller must know stands where it is defined."""

    def test_modules(self) -> None:
        assert [module for module, tree in MODULES.items() if not ast.get_docstring(tree)] == []

    def test_classes_and_functions(self) -> None:
        missing = [found.place for found in DEFINITIONS if found.public and not ast.get_docstring(found.node)]
        assert missing == []

    def test_every_argument_and_result_has_a_type(self) -> None:
        missing = [
            found.place
            for found in DEFINITIONS
            if isinstance(found.node, Function) and not _is_annotated(found.node)
        ]
        assert missing == []


def _is_annotated(node: Function) -> bool:
    arguments = node.args
    named = [
        *arguments.posonlyargs,
        *arguments.args,
        *arguments.kwonlyargs,
        arguments.vararg,
        arguments.kwarg,
    ]
    first = named[0].arg if named and named[0] is not None else ""
    typed = [each for each in named if each is not None][1 if first in ("self", "cls") else 0 :]
    return node.returns is not None and all(each.annotation is not None for each in typed)
