"""`dying_writer.py POINT BODY`: takes a batch in, and dies as by `kill -9` before it can answer.

POINT says when: before anything is in the journal, when half of the batch is, or when all of it is on
disk but nobody has been told. The instance folder is named by the environment, BODY is what
`POST /api/track/batch` takes.
"""

import os
import signal
import sys

from rybbit.factory import create_app
from rybbit.store.journal_files import JournalFile

_write = JournalFile.write


def _die(file: JournalFile, data: bytes) -> None:
    if POINT == "half":
        with file.path.open("ab") as same:
            same.write(data[: len(data) // 2])
    elif POINT == "after":
        _write(file, data)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    POINT, body = sys.argv[1:]
    app = create_app()
    setattr(JournalFile, "write", _die)  # noqa: B010 -- a type checker would refuse the assignment
    app.test_client().post("/api/track/batch", data=body, content_type="application/json")
