"""Points at which a test can have the process killed; without the switch they do nothing."""

import os
import signal

_CRASH_AT = os.environ.get("RYBBIT_TEST_CRASH_AT", "")


def crash_point(name: str) -> None:
    """Die as by `kill -9` if the environment names this point."""
    if name == _CRASH_AT:
        os.kill(os.getpid(), signal.SIGKILL)
