"""A relay before a server of another kind: it can be cut, and break connections in the middle of a text."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Lock, Thread


class Relay:
    """Passes on what comes to a port of this machine, until it is cut.

    `torn` counts the connections that broke because of `tear`.
    """

    def __init__(self, host: str, port: int) -> None:
        self.torn = 0
        self._target = (host, port)
        self._tear_at = b""
        self._tears = 0
        self._lock = Lock()
        self._ends: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._serve()

    @contextmanager
    def cut(self) -> Iterator[None]:
        """The server is away: everything that is open ends, and nobody listens."""
        self.close()
        try:
            yield
        finally:
            self._listener = socket.create_server(("127.0.0.1", self.port))
            self._serve()

    def tear(self, text: bytes, times: int) -> None:
        """Break the next connections over which a text comes, `times` of them, when half of it is through."""
        with self._lock:
            self._tear_at, self._tears = text, times

    def close(self) -> None:
        """End all that is open."""
        # A blocked `accept` would keep the port open.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        with self._lock:
            for end in self._ends:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        self._thread = Thread(target=self._accept, args=(self._listener,), daemon=True)
        self._thread.start()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                ours, _ = listener.accept()
                try:
                    theirs = socket.create_connection(self._target)
                except OSError:
                    ours.close()
                    continue
                with self._lock:
                    self._ends |= {ours, theirs}
                for source, target in ((ours, theirs), (theirs, ours)):
                    Thread(target=self._pass_on, args=(source, target), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                if self._is_torn(data):
                    target.sendall(data[: len(data) // 2])
                    break
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._ends.discard(source)
        source.close()

    def _is_torn(self, data: bytes) -> bool:
        with self._lock:
            if not self._tears or self._tear_at not in data:
                return False
            self._tears -= 1
            self.torn += 1
            return True
