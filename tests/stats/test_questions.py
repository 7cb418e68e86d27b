"""No question is left out of the agreement with the reference."""

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from rybbit import stats
from rybbit.store.base import EventStore
from tests.stats import questions

# What takes a store and is not compared, and why.
ELSEWHERE = {
    "buckets.find_timeline": "has no answer of its own: the buckets of other questions, which are compared",
    "inspector.inspector_page": "about the time of receipt, and what was not kept: test_inspector.py",
    "question.parse_question": "no question, but how one is read from a request",
    "traffic.recent_traffic": "about several sites at a time: test_traffic.py",
}


def _asking() -> Iterator[str]:
    """Every public function of the statistics that begins with a store, by module and name."""
    for found in pkgutil.walk_packages(stats.__path__, f"{stats.__name__}."):
        module = importlib.import_module(found.name)
        for name, function in inspect.getmembers(module, inspect.isfunction):
            is_public = function.__module__ == found.name and not name.startswith("_")
            first = next(iter(inspect.signature(function).parameters.values()), None)
            if is_public and first is not None and first.annotation is EventStore:
                yield _short(module, name)


def _compared() -> Iterator[str]:
    """Every name of a module that stands in the list of questions."""
    for node in ast.walk(ast.parse(Path(questions.__file__).read_text())):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            module = getattr(questions, node.value.id, None)
            if isinstance(module, ModuleType):
                yield _short(module, node.attr)


def _short(module: ModuleType, name: str) -> str:
    return f"{module.__name__}.{name}".removeprefix(f"{stats.__name__}.")


def test_every_question_is_compared_or_it_is_said_why_not() -> None:
    assert set(_asking()) - set(_compared()) == set(ELSEWHERE)
