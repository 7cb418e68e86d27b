"""What a worker of `rybbit serve` does beside answering: it loads the app, and ends when it is told to."""

import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ctypes import c_byte

_PARENT_LOOK_SECONDS = 1.0
_REMINDER_SECONDS = 0.2


def keep_workers_listening() -> None:
    """Let no worker that is forked from now on miss SIGTERM while it comes into being.

    Python forgets what a child was sent before its first step, and until granian sets its own, a child
    has the handler of its parent, which would not end it.
    """
    os.register_at_fork(
        before=lambda: _mask(signal.SIG_BLOCK, signal.SIGTERM),
        after_in_parent=lambda: _mask(signal.SIG_UNBLOCK, signal.SIGTERM),
        after_in_child=_hear_sigterm_only,
    )


def load_worker(parent: int, loaded: "c_byte") -> Any:
    """The WSGI app of one worker, made in the worker itself; `loaded` tells the parent that it works."""
    _hear_sigterm_only()
    _remind_of_sigterm()
    from rybbit.factory import create_app

    app = create_app(migrate=False)
    runtime = app.extensions["rybbit"]
    runtime.start()
    # Beside the first requests, which need not wait for tables that only later ones use.
    threading.Thread(target=runtime.warm_up, daemon=True).start()
    threading.Thread(target=_end_with_parent, args=(parent,), daemon=True).start()
    loaded.value = 1
    return app


def _hear_sigterm_only() -> None:
    """Leave it to the parent to stop this worker; a terminal signals all processes at once."""
    _mask(signal.SIG_BLOCK, signal.SIGINT, signal.SIGHUP)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _mask(signal.SIG_UNBLOCK, signal.SIGTERM)


def _mask(how: int, *signals: signal.Signals) -> None:
    signal.pthread_sigmask(how, signals)


def _remind_of_sigterm() -> None:
    """Signal the main thread again and again once SIGTERM has come, until the worker ends.

    Only the main thread runs handlers, and it sleeps on where another thread took the signal, or where
    the signal came just before it fell asleep.
    """
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    signal.set_wakeup_fd(theirs, warn_on_full_buffer=False)
    threading.Thread(target=_remind, args=(ours, threading.get_ident()), daemon=True).start()


def _remind(pipe: int, main: int) -> None:
    while os.read(pipe, 1)[0] != signal.SIGTERM:
        pass
    while True:
        time.sleep(_REMINDER_SECONDS)
        signal.pthread_kill(main, signal.SIGTERM)


def _end_with_parent(parent: int) -> None:
    """Stop the worker when the server that started it is gone, killed perhaps: nobody else would."""
    while os.getppid() == parent:
        time.sleep(_PARENT_LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
