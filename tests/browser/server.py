"""A real server for a real browser: `rybbit serve` on a port of its own.

It has an owner with two sites, of which nothing comes to the second one; a member of the organization who may
only look; somebody with organizations of their own, but no site; and somebody who belongs to none.
"""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

OWNER = "owner@example.com"
READER = "reader@example.com"
PARTNER = "partner@example.com"
OUTSIDER = "outsider@example.com"
PASSWORD = "correct horse battery"

_START_SECONDS = 60


@dataclass(frozen=True)
class Server:
    """Where it listens, and what was made with it."""

    url: str
    folder: Path
    site_id: int
    organization_id: str
    api_key: str
    account_key: str
    quiet_site_id: int = 0
    setup_path: str = ""
    owner: str = OWNER
    reader: str = READER
    password: str = PASSWORD

    def command(self, *arguments: str) -> str:
        """Run a `rybbit` command on the server's instance, and answer what it prints."""
        return _run(self.folder, *arguments)


@contextmanager
def running_server(folder: Path, **settings: str) -> Iterator[Server]:
    """Run a server on a new instance folder; stopped at the end. `settings` by their outside names."""
    made = _run_for_json(
        folder,
        "init",
        "--email",
        OWNER,
        "--domain",
        "example.com",
        "--name",
        "Example",
        "--password",
        PASSWORD,
    )
    quiet = _run_for_json(folder, "site", "create", "--domain", "quiet.example.com", "--name", "Quiet")
    _add_people(folder)
    with _serving(folder, settings) as url:
        yield Server(
            url,
            folder,
            made["siteId"],
            made["organizationId"],
            made["apiKey"],
            made["accountKey"],
            quiet_site_id=quiet["siteId"],
        )


def _add_people(folder: Path) -> None:
    for email in (READER, PARTNER, OUTSIDER):
        _run(folder, "user", "create", "--email", email, "--password", PASSWORD)
    _run(folder, "org", "member", "add", READER)
    for name in ("North", "South"):
        _run(folder, "org", "create", name, "--owner", PARTNER)


@contextmanager
def running_empty_server(folder: Path, **settings: str) -> Iterator[Server]:
    """Run a server on which nobody has an account; it knows the path of the link that was printed."""
    with _serving(folder, settings) as url:
        found = re.search(r"http://[^/\s]+(/setup\?token=\S+)", _log_of(folder).read_text())
        assert found is not None
        yield Server(url, folder, 0, "", "", "", setup_path=found[1])


@contextmanager
def _serving(folder: Path, settings: dict[str, str]) -> Iterator[str]:
    port = _free_port()
    command = [sys.executable, "-m", "rybbit", "serve", "--port", str(port), "--workers", "1"]
    # The tests sign in far more often than a person.
    environ = (
        _environ(folder) | {"RYBBIT_LOGIN_RATE_LIMIT": "", "RYBBIT_LOGIN_ADDRESS_RATE_LIMIT": ""} | settings
    )
    with _log_of(folder).open("w") as log:
        process = subprocess.Popen(command, env=environ, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(url, process)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=60)


def _log_of(folder: Path) -> Path:
    return folder.parent / f"{folder.name}.log"


def _wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end:
        assert process.poll() is None, "the server ended; its log lies beside the instance folder"
        try:
            with urlopen(f"{url}/api/health", timeout=5):
                return
        except (URLError, ConnectionError):
            time.sleep(0.05)
    raise AssertionError("the server did not start in time")


def _run(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "rybbit", *arguments]
    done = subprocess.run(command, env=_environ(folder), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _run_for_json(folder: Path, *arguments: str) -> Any:
    return json.loads(_run(folder, *arguments, "--json"))


def _environ(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RYBBIT_")}
    return kept | {"RYBBIT_INSTANCE_PATH": str(folder)}


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
