"""The parts of a process, as far as nothing else shows them: when a store is rewritten."""

import sys
from itertools import pairwise
from pathlib import Path
from typing import cast

import pytest

from rybbit.factory import create_app
from rybbit.runtime import Runtime
from tests.store.conftest import Clocks, clocks

__all__ = ["clocks"]


@pytest.fixture
def runtime(tmp_path: Path) -> Runtime:
    """The parts of a process whose background work nobody begins."""
    app = create_app({"RYBBIT_INSTANCE_PATH": str(tmp_path)})
    return cast(Runtime, app.extensions["rybbit"])


def test_a_rewrite_that_failed_is_tried_again_after_a_minute(
    runtime: Runtime, clocks: Clocks, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    monkeypatch.setattr(runtime.store, "needs_rewrite", lambda: True)
    begun = []
    for _ in range(60):
        runtime._start_rewrite()
        if runtime._rewriting is not None:
            begun.append(clocks.monotonic)
            assert runtime._rewriting.wait(60) == 1
        clocks.move(5)
    pauses = [later - earlier for earlier, later in pairwise(begun)]
    assert pauses == [65, 65, 65, 65]
    assert "failed (exit code 1)" in caplog.text


def test_one_that_ended_well_is_followed_by_the_next_at_once(
    runtime: Runtime, clocks: Clocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/true")
    monkeypatch.setattr(runtime.store, "needs_rewrite", lambda: True)
    for _ in range(3):
        runtime._start_rewrite()
        assert runtime._rewriting is not None
        assert runtime._rewriting.wait(60) == 0
        clocks.move(5)
