"""`python -m rybbit.store.lake_process FOLDER METHOD`: does for a forked process what it cannot do itself.

deltalake has threads, which stay behind in the parent when a process forks, and it then refuses to work
(https://github.com/tokio-rs/tokio/issues/4301). A child whose parent has used it asks a fresh process,
which takes a third of a second. This happens where a host app tracks an event before its workers are
forked; else each worker is the first to use it.
"""

import json
import os
import subprocess
import sys
from dataclasses import astuple
from pathlib import Path
from typing import Any

_user: int | None = None


def is_needed() -> bool:
    """Whether deltalake's threads are those of the process that this one was forked from.

    Asking counts as the first use, so ask only before using deltalake.
    """
    global _user
    if _user is None:
        _user = os.getpid()
    return _user != os.getpid()


def ask(folder: Path, method: str, **arguments: Any) -> Any:
    """Have a fresh process call a method of the table in a folder; arguments and answer are JSON.

    Raises:
        OSError: it failed; its standard error, which the log of this process shares, says why.
    """
    command = [sys.executable, "-m", "rybbit.store.lake_process", str(folder), method]
    done = subprocess.run(command, input=json.dumps(arguments).encode(), stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise OSError(f"A process for the event table ended with status {done.returncode}")
    return json.loads(done.stdout)


def _answer(folder: Path, method: str, arguments: dict[str, Any]) -> object:
    from rybbit.store.lake_table import DataFile, LakeTable

    table = LakeTable(folder)
    if method == "read":
        snapshot = table.snapshot()
        files = [astuple(file) for file in snapshot.files]
        return {"version": snapshot.version, "last_batch": snapshot.last_batch, "files": files}
    if method == "commit":
        for name in ("added", "removed"):
            arguments[name] = [DataFile(*fields) for fields in arguments[name]]
        table.commit(**arguments)
    elif method == "make":
        table.make()
    elif method == "tidy":
        return table.tidy(**arguments)
    return None


if __name__ == "__main__":
    json.dump(_answer(Path(sys.argv[1]), sys.argv[2], json.load(sys.stdin)), sys.stdout)
