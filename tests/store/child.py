"""`python -m tests.store.child FOLDER ACTION [WORD …]`: what a test needs a process of its own for.

The process may be killed at a point that `RYBBIT_TEST_CRASH_AT` names. Every acknowledged event is
told on standard output, by its `event_id`, as soon as it is acknowledged.
"""

import itertools
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from rybbit.errors import Unavailable
from rybbit.store.journal import Entry, Position
from rybbit.store.journal_files import CONTINUED, JournalFile
from tests.store.clickhouse_parts import make_clickhouse_parts
from tests.store.parts import Parts, entry, make_parts


def make_any_parts(folder: Path) -> Parts:
    """The parts on the folder, with ClickHouse if the environment names one."""
    url = os.environ.get("RYBBIT_TEST_EVENTS_URL", "")
    return make_clickhouse_parts(folder, url=url) if url else make_parts(folder)


def say(*words: object) -> None:
    """Tell the test, at once, and without a buffer that a fork could double."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def append(parts: Parts, count: str, prefix: str = "e") -> None:
    """Store events one by one."""
    for number in range(int(count)):
        name = f"{prefix}{number}"
        parts.journal.append([entry(event_id=name)])
        say(name)


def die(parts: Parts, count: str) -> None:
    """Store events, then die with the journal file open."""
    append(parts, count)
    os.kill(os.getpid(), signal.SIGKILL)


def die_in_write(parts: Parts, count: str, how: str = "whole") -> None:
    """Die after writing events, before their ids are recorded, or in the middle of writing."""
    events = [entry(event_id=f"d{number}") for number in range(int(count))]
    file = JournalFile(parts.journal_folder.path)
    with parts.receipts.receive(events, Position(file.path.name, file.size)) as openings:
        lines = [(opening or b"") + event.body for opening, event in zip(openings, events, strict=True)]
        data = b"".join(line[:-1] + CONTINUED for line in lines[:-1]) + lines[-1] + b"\n"
        file.write(data if how == "whole" else data[:-20])
        os.kill(os.getpid(), signal.SIGKILL)


def hold(parts: Parts, count: str) -> None:
    """Store events, and live on with the journal file open until standard input ends."""
    append(parts, count)
    say("ready")
    sys.stdin.read()


def move(parts: Parts) -> None:
    """Move the journal."""
    say(parts.mover.move_all())


def rewrite(parts: Parts) -> None:
    """Rewrite what is due."""
    parts.store.rewrite()


def compact(parts: Parts) -> None:
    """Merge all files, whatever their size."""
    parts.store.rewrite(everything=True)


def write_and_move(parts: Parts, rounds: str) -> None:
    """Store an event and move it, again and again."""
    for number in range(int(rounds)):
        name = f"m{number}"
        parts.journal.append([entry(1 + number % 5, event_id=name)])
        parts.journal.close_file()
        parts.mover.move_all()
        say(name)


def fill(parts: Parts, limit: str, size: str, how: str) -> None:
    """Store events of a size until no file may grow any more, then go on with more room."""
    if how != "unready":
        parts.receipts.last_id()
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), resource.RLIM_INFINITY))
    refused = 0
    for number in itertools.count():
        try:
            parts.journal.append(_request(f"f{number}", int(size), with_ids=how == "ids"))
        except Unavailable:
            refused += 1
            if refused == 3:
                break
        else:
            say(f"f{number}")
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    parts.journal.append(_request("last", 10, with_ids=True))
    say("last")


def _request(name: str, size: int, *, with_ids: bool) -> list[Entry]:
    return [
        entry(pathname=name, page_title="x" * size, event_id=f"{name}-{number}" if with_ids else None)
        for number in range(3)
    ]


def fork(parts: Parts) -> None:
    """Store and read, then fork while a thread is in the journal, and do both on either side."""
    append(parts, "3", "before")
    parts.journal.close_file()
    parts.mover.move_all()
    parts.count()
    # A second app of the process on the same files, as a host that builds its app twice has it.
    append(make_any_parts(parts.folder), "1", "twin")
    stop = threading.Event()
    busy = threading.Thread(target=_append_until, args=(parts, stop))
    busy.start()
    children = [_forked(parts, number) for number in range(3)]
    codes = [os.waitpid(child, 0)[1] for child in children]
    stop.set()
    busy.join()
    append(parts, "3", "parent")
    say("codes", *codes)


def _append_until(parts: Parts, stop: threading.Event) -> None:
    for number in itertools.count():
        append(parts, "1", f"busy{number}-")
        if stop.is_set():
            return


def _forked(parts: Parts, number: int) -> int:
    child = os.fork()
    if child:
        return child
    # A child that waits for a lock which nobody will give back must not wait for ever.
    signal.alarm(60)
    append(parts, "3", f"child{number}-")
    parts.journal.close_file()
    parts.mover.move_all()
    say("sees", parts.count() >= 6)
    parts.close()
    sys.exit(0)


ACTIONS: dict[str, Callable[..., None]] = {
    action.__name__: action
    for action in (append, die, die_in_write, hold, move, rewrite, compact, write_and_move, fill, fork)
}


def main() -> None:
    """Do what the command line says."""
    folder, action, *words = sys.argv[1:]
    parts = make_any_parts(Path(folder))
    ACTIONS[action](parts, *words)
    parts.close()


if __name__ == "__main__":
    main()
