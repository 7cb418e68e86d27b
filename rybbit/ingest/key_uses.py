"""When which key was last used: remembered in memory, so that no request has to write."""

from collections.abc import Callable, Mapping
from datetime import datetime

from rybbit import clock

_AGAIN_MS = 60_000


class KeyUses:
    """The uses of keys in one process; a key's first use is written soon, the later ones once a minute."""

    def __init__(self) -> None:
        self._uses: dict[str, int] = {}
        self._written: dict[str, int] = {}

    def note(self, key_id: str) -> None:
        """Remember that a key was used just now."""
        self._uses[key_id] = clock.now_ms()

    def flush(self, write: Callable[[Mapping[str, datetime]], None], *, everything: bool = False) -> None:
        """Hand over what is due, or all of it; what cannot be written stays for the next time."""
        now_ms = clock.now_ms()
        self._written = {key: at for key, at in self._written.items() if 0 <= now_ms - at < _AGAIN_MS}
        due = {key: at for key, at in self._uses.copy().items() if everything or key not in self._written}
        if not due:
            return
        write({key: clock.from_ms(at) for key, at in due.items()})
        for key, at in due.items():
            self._written[key] = now_ms
            # A use that came meanwhile stays.
            if self._uses.get(key) == at:
                del self._uses[key]
