"""A `rybbit serve` that a test may treat badly: killed, restarted, starved, stopped."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

from rybbit.extensions import db
from rybbit.factory import create_app
from rybbit.services.setup import initialise

PATIENCE = 60.0
SERVE = ("-m", "rybbit", "serve", "--port", "{port}", "--workers", "{workers}")
_PAUSE = 0.02


@dataclass(frozen=True)
class Instance:
    """An instance folder with one site, and the keys of it."""

    folder: Path
    site_id: int
    tracking_key: str
    account_key: str

    @property
    def journal(self) -> Path:
        """Where the events are before they are moved."""
        return self.folder / "journal"

    def is_moved(self) -> bool:
        """Whether the journal is empty, and no batch is half done."""
        # A process that is killed may leave what it was about to begin with, which holds no event.
        names = [path.name for path in self.journal.iterdir() if path.suffix != ".new"]
        return names == ["quarantine"]

    def batch_files(self) -> int:
        """How many files the mover has written so far."""
        return len(list((self.folder / "events").glob("part-*.parquet")))


def make_instance(folder: Path) -> Instance:
    """Set an instance up as `rybbit init` does."""
    app = create_app({"RYBBIT_INSTANCE_PATH": str(folder)})
    with app.app_context():
        first = initialise(email="owner@example.com", domain="example.com")
        db.session.commit()
        db.session.remove()
        db.engine.dispose()
    return Instance(folder, first.site_id, first.api_key, first.account_key)


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(condition: Callable[[], object], what: str, *, seconds: float = PATIENCE) -> None:
    """Wait for a condition to become true; a test that waits too long fails with `what`."""
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, f"Waited {seconds:.0f} s in vain: {what}"
        time.sleep(_PAUSE)


def wait_for_batches(instance: Instance, number: int) -> None:
    """Wait until the mover has written so many more files."""
    wanted = instance.batch_files() + number
    wait_until(lambda: instance.batch_files() >= wanted, f"{number} more batches are moved")


class Process(NamedTuple):
    """A row of the process table."""

    pid: int
    parent: int
    group: int


def running_processes() -> list[Process]:
    """All processes of the machine but the dead ones that nobody has waited for."""
    command = ["ps", "-A", "-o", "pid=,ppid=,pgid=,state="]
    if not Path("/proc/self/stat").exists():
        rows = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        fields = [row.split() for row in rows]
        return [Process(int(row[0]), int(row[1]), int(row[2])) for row in fields if row[3][0] != "Z"]
    return [process for path in Path("/proc").glob("[0-9]*") if (process := _from_proc(path))]


def _from_proc(path: Path) -> Process | None:
    try:
        # After the name, which may hold spaces and brackets: state, parent, group.
        state, parent, group, *_ = (path / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state in "ZX" else Process(int(path.name), int(parent), int(group))


class Server:
    """A server on an instance folder, in a process group of its own, its log in a file.

    `arguments` are what Python is to run.
    """

    def __init__(
        self,
        instance: Instance,
        *,
        workers: int = 2,
        environment: Mapping[str, str] | None = None,
        arguments: Sequence[str] = SERVE,
    ) -> None:
        self.instance = instance
        self.port = free_port()
        self.log_path = instance.folder.with_name(f"server-{self.port}.log")
        places = {"port": self.port, "workers": workers}
        self._command = [sys.executable, *(argument.format(**places) for argument in arguments)]
        self._environment = dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._groups: list[int] = []

    @property
    def url(self) -> str:
        """The address of the server."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process that starts the workers."""
        assert self._process is not None
        return self._process.pid

    def start(self, **environment: str) -> Self:
        """Start it without waiting, with further settings by their outside names."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith("RYBBIT_")}
        places = {"RYBBIT_INSTANCE_PATH": str(self.instance.folder), "RYBBIT_TRACK_RATE_LIMIT": ""}
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env=ours | places | self._environment | environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._groups.append(self._process.pid)
        return self

    def wait(self) -> Self:
        """Wait until it answers that it is well."""
        wait_until(self._is_well, f"the server answers; its log ends: {self.log()[-2000:]}")
        return self

    def _is_well(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/api/health", timeout=PATIENCE) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def log(self) -> str:
        """What all processes of the server have written so far."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def members(self) -> list[int]:
        """The processes of this server that live, those of earlier starts as well."""
        return [process.pid for process in running_processes() if process.group in self._groups]

    def worker_pids(self) -> list[int]:
        """The processes that answer."""
        return [process.pid for process in running_processes() if process.parent == self.pid]

    def kill_main(self) -> None:
        """`kill -9` of the process that started the workers; they notice by themselves."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(PATIENCE)

    def kill_all(self) -> None:
        """`kill -9` of everything at once."""
        for group in self._groups:
            # A group is gone when its last process is; its number is not given again so soon.
            if any(process.group == group for process in running_processes()):
                os.killpg(group, signal.SIGKILL)
        if self._process is not None:
            self._process.wait(PATIENCE)
        wait_until(lambda: not self.members(), "killed processes are gone")

    def stop(self, number: int = signal.SIGTERM, *, whole_group: bool = False) -> int:
        """Ask it to stop, as a shell or systemd would, and wait; answers the exit code."""
        assert self._process is not None
        if whole_group:
            os.killpg(self._process.pid, number)
        else:
            self.ask_to_stop(number)
        return self.wait_for_end()

    def ask_to_stop(self, number: int = signal.SIGTERM) -> None:
        """Signal the process that starts the workers, and do not wait."""
        assert self._process is not None
        self._process.send_signal(number)

    def is_running(self) -> bool:
        """Whether the process that starts the workers lives."""
        assert self._process is not None
        return self._process.poll() is None

    def wait_for_end(self) -> int:
        """Wait until it has ended; answers the exit code."""
        assert self._process is not None
        return self._process.wait(PATIENCE)

    def get(self, path: str) -> Any:
        """The JSON answer to a read with the account key."""
        headers = {"Authorization": f"Bearer {self.instance.account_key}"}
        request = urllib.request.Request(self.url + path, headers=headers)
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            return json.load(response)

    def event_ids(self) -> list[str]:
        """The event ids that the API shows, page by page."""
        found: list[str] = []
        cursor = ""
        while True:
            path = f"/api/sites/{self.instance.site_id}/events?page_size=500{cursor}"
            page = self.get(path)
            found += [event["event_id"] for event in page["data"]]
            if not page["cursor"]["hasMore"]:
                return found
            cursor = f"&before_timestamp={page['cursor']['oldestTimestamp']}"


@contextmanager
def serving(
    instance: Instance, *, workers: int = 2, environment: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """A server that answers; at the end nothing of it is left running, whatever happened."""
    with running(Server(instance, workers=workers, environment=environment)) as server:
        yield server


@contextmanager
def running(server: Server) -> Iterator[Server]:
    """The same for a server that was described already."""
    try:
        yield server.start().wait()
    except BaseException as error:
        error.add_note(f"The log of the server ends:\n{server.log()[-6000:]}")
        raise
    finally:
        server.kill_all()
