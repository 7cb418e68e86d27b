"""The README is true: its table is that of the code, and its commands do what it says."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from rybbit.config import SETTINGS
from tests.faults.server import PATIENCE, free_port, wait_until
from tests.settings_table import README, readme_with_table

REPOSITORY = README.parent
TEXT = README.read_text()
COMMANDS = Path(sys.executable).parent
SERVE = "rybbit serve --domain example.com"
LOCAL = "http://127.0.0.1:8000"


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def _shell_commands() -> list[str]:
    """The commands of the shell blocks, those over several lines as one."""
    lines = "\n".join(_blocks("sh")).replace("\\\n", " ").splitlines()
    return [" ".join(line.split()) for line in lines if line.strip()]


CURLS = [command for command in _shell_commands() if command.startswith("curl ")]


class TestSettings:
    """The table, and other places that name settings."""

    def test_the_table_is_that_of_the_code(self) -> None:
        assert readme_with_table(TEXT) == TEXT, "run `python -m tests.settings_table`"

    def test_every_setting_is_documented(self) -> None:
        documented = re.findall(r"^\| `(RYBBIT_[A-Z_]+)` \|", TEXT, re.MULTILINE)
        assert documented == [setting.environment_name for setting in SETTINGS]

    def test_every_setting_that_is_named_anywhere_exists(self) -> None:
        known = {setting.environment_name for setting in SETTINGS}
        # `RYBBIT_X` stands for any of them; what only tests set is no setting.
        known |= {"RYBBIT_X", "RYBBIT_TEST_CRASH_AT", "RYBBIT_TEST_CLICKHOUSE_URL"}
        known |= {"RYBBIT_TEST_POSTGRES_URL", "RYBBIT_TEST_REDIS_URL"}
        files = [*REPOSITORY.glob("*.md"), *REPOSITORY.glob("rybbit/**/*.py"), REPOSITORY / "app.py"]
        named = {
            (path.name, name)
            for path in files
            for name in re.findall(r"\bRYBBIT_[A-Z][A-Z_]*[A-Z]\b", path.read_text())
        }
        assert {(place, name) for place, name in named if name.removesuffix("_FILE") not in known} == set()


def test_the_shell_blocks_hold_what_is_tried_here() -> None:
    """A command that is added to the README is added to these tests."""
    tried = [f"pip install . && {SERVE}", *CURLS, "pip install '.[test]' && pytest"]
    assert _shell_commands() == tried
    assert len(CURLS) == 2


def test_links_lead_somewhere() -> None:
    for path in REPOSITORY.glob("*.md"):
        for target in re.findall(r"\]\(([^)#]+)\)", path.read_text()):
            assert target.startswith("https://") or (REPOSITORY / target).exists(), (path.name, target)


def _environment(folder: Path, **more: str) -> dict[str, str]:
    """That of a person with the commands installed, and none of our settings."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("RYBBIT_")}
    path = f"{COMMANDS}{os.pathsep}{os.environ['PATH']}"
    return ours | {"PATH": path, "NO_PROXY": "*", "RYBBIT_INSTANCE_PATH": str(folder / "instance")} | more


def _run(command: str, folder: Path, **more: str) -> str:
    """What a command prints; it must succeed."""
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=_environment(folder, **more),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


@dataclass(frozen=True)
class Started:
    """The server that the README's first command started, and what it printed."""

    url: str
    folder: Path
    printed: str

    def found(self, label: str) -> str:
        """What was printed under a label."""
        match = re.search(rf"^{label} +(\S+)$", self.printed, re.MULTILINE)
        assert match, self.printed
        return match[1]

    def run(self, command: str) -> str:
        """Run a command of the README against this server, with its keys."""
        keys = {"TRACKING_KEY": self.found("Tracking key"), "ACCOUNT_KEY": self.found("Account key")}
        return _run(command.replace(LOCAL, self.url), self.folder, **keys)


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """The README's first command, less the installation, on a port that is free."""
    folder = tmp_path_factory.mktemp("newcomer")
    port = free_port()
    output, log = folder / "output", folder / "log"
    with output.open("wb") as printed, log.open("wb") as logged:
        process = subprocess.Popen(
            ["bash", "-c", f"exec {SERVE} --port {port}"],
            cwd=folder,
            env=_environment(folder),
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=logged,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: process.poll() is not None or _answers(f"{url}/api/health"), "the server answers")
        assert process.poll() is None, log.read_text()
        yield Started(url, folder, output.read_text())
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=PATIENCE) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


class TestStart:
    """A newcomer's first minutes."""

    def test_everything_lies_in_the_instance_folder(self, started: Started) -> None:
        assert sorted(path.name for path in started.folder.iterdir()) == ["instance", "log", "output"]
        assert (started.folder / "instance" / "rybbit.db").is_file()

    def test_what_is_printed(self, started: Started) -> None:
        for label in ("Organization", "Owner", "Password", "Tracking key", "Account key"):
            assert started.found(label)
        assert "Site           example.com, number 1, id " in started.printed
        assert started.url in (started.folder / "log").read_text()

    @needs_curl
    def test_the_curls_of_the_readme(self, started: Started) -> None:
        send, read = CURLS
        before = len(json.loads(started.run(read))["data"])
        assert json.loads(started.run(send)) == {"success": True}
        events = json.loads(started.run(read))["data"]
        assert len(events) == before + 1
        _assert_enriched(events[0])

    @needs_curl
    def test_the_curls_that_are_printed(self, started: Started) -> None:
        send, read = re.findall(r"^curl (?:.*\\\n)*.*", started.printed, re.MULTILINE)
        assert json.loads(started.run(send)) == {"success": True}
        newest = json.loads(started.run(read))["data"][0]
        _assert_enriched(newest)
        assert newest["browser"] == "Firefox"


def _assert_enriched(event: Any) -> None:
    shown = {name: event[name] for name in ("type", "hostname", "pathname", "country", "channel")}
    assert shown == {
        "type": "pageview",
        "hostname": "example.com",
        "pathname": "/hello",
        "country": "US",
        "channel": "Direct",
    }


class TestCommands:
    """The commands that the text names."""

    def test_help_lists_the_others(self, tmp_path: Path) -> None:
        listed = _run("rybbit --help", tmp_path)
        named = {command.split()[0] for command in _named_commands()}
        assert {"doctor", "geoip"} <= named
        assert all(re.search(rf"^  {name} ", listed, re.MULTILINE) for name in named)
        assert not (tmp_path / "instance").exists()

    def test_all_that_are_named_exist(self, tmp_path: Path) -> None:
        for command in _named_commands():
            assert "Usage: rybbit" in _run(f"rybbit {command} --help", tmp_path)

    def test_doctor(self, started: Started) -> None:
        done = subprocess.run(
            ["rybbit", "doctor"],
            cwd=started.folder,
            env=_environment(started.folder),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode in (0, 1), done.stderr
        assert str(started.folder / "instance") in done.stdout + done.stderr


def _named_commands() -> list[str]:
    """`rybbit X` in the running text, less its options."""
    return sorted({name.strip() for name in re.findall(r"`rybbit ([a-z][a-z ]*)", TEXT)})


DRIVER = """
import shop
answer = shop.app.test_client().post("/buy", headers={"User-Agent": "Mozilla/5.0 Firefox/140.0"})
print(answer.text)
print(shop.app.test_client().get("/analytics/api/health").json["status"])
"""


def test_the_flask_app_of_the_readme(tmp_path: Path) -> None:
    made = json.loads(_run("rybbit init --email a@example.com --domain example.com --json", tmp_path))
    assert made["siteId"] == 1
    (code,) = _blocks("python")
    (tmp_path / "shop.py").write_text(code)
    (tmp_path / "driver.py").write_text(DRIVER)
    assert _run(f"{sys.executable} driver.py", tmp_path).splitlines() == ["Thank you", "ok"]
    files = (tmp_path / "instance" / "journal").glob("*.jsonl")
    (event,) = [json.loads(line) for path in files for line in path.read_text().splitlines()]
    assert (event["event_name"], json.loads(event["properties"])) == ("purchase", {"plan": "pro"})
    assert event["pathname"] == "/buy"


def test_the_test_command_installs_what_tests_need() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    names = {re.split(r"[<>=\[]", each)[0] for each in project["optional-dependencies"]["test"]}
    assert {"pytest", "hypothesis", "mypy", "ruff", "gunicorn"} <= names
