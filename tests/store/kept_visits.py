"""Asking for visits with and without those that are kept."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest

from rybbit.store.base import Scope
from rybbit.store.lake_visits import VisitFiles
from rybbit.store.visit import FIGURES, ORIGINS, TRAITS, Visits
from tests.store.parts import Parts

ALL = Visits(("user_hash", *FIGURES, *ORIGINS, *TRAITS))
"""Everything that is known of visits."""
COUNT = Visits(("pageviews",))
SITE = Scope(1)

Row = tuple[Any, ...]


def visits_folder(parts: Parts) -> Path:
    return parts.folder / "events.visits"


def kept_names(parts: Parts) -> list[str]:
    return (
        sorted(path.name for path in visits_folder(parts).iterdir()) if visits_folder(parts).exists() else []
    )


def kept_texts(parts: Parts) -> str:
    paths = [str(path) for path in visits_folder(parts).iterdir()]
    return repr(duckdb.execute("select * from read_parquet($paths)", {"paths": paths}).fetchall())


def ask_visits(parts: Parts, visits: Visits = ALL, scope: Scope = SITE) -> list[Row]:
    """All visits, in an order that does not depend on where they were found."""
    return parts.store.query("select * from visits order by all", scope=scope, visits=visits)


@contextmanager
def without_kept_visits() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(VisitFiles, "_kept", lambda _: set())
        yield


def counted_visits(parts: Parts, visits: Visits = ALL, scope: Scope = SITE) -> list[Row]:
    """The same, counted from events."""
    with without_kept_visits():
        return ask_visits(parts, visits, scope)


def refuse_to_give_up(patch: pytest.MonkeyPatch) -> None:
    """Have an answer fail that kept visits do not give, where events would."""

    def give_up(_files: VisitFiles, _cursor: object, _kept: object, error: Exception) -> None:
        raise AssertionError from error

    patch.setattr(VisitFiles, "give_up", give_up)
