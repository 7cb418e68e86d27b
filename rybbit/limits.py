"""Rate limits: what a setting means, where hits are counted, and what a caller is told.

Hits are counted by the `limits` library, of which Flask-Limiter is the Flask side. Its `memory://`
counts per process; our default storage counts over all processes of the machine.
"""

import errno
import logging
import math
import re
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn
from urllib.parse import quote, unquote, urlsplit

from limits import RateLimitItem, errors, parse
from limits.storage import MovingWindowSupport, Storage, storage_from_string
from limits.strategies import RateLimiter

from rybbit import clock
from rybbit.config import PREFIX, Config
from rybbit.errors import ConfigurationError, RybbitError, Unavailable
from rybbit.limit_storage import WindowFile, file_name, slot_count
from rybbit.locks import register_forkable

SCHEME = "rybbit+shared"
TRACK_SETTING = "RYBBIT_TRACK_RATE_LIMIT"
STORAGE_SETTING = "RYBBIT_RATELIMIT_STORAGE_URI"

_RATE = re.compile(r"\s*([0-9]{1,9})\s*(?:/|per\s)\s*([0-9]{1,9})?\s*([a-z]+)\s*", re.IGNORECASE)
_FILE_NAME = re.compile(r"([0-9]+)-per-([0-9]+)s\..*")
_NEVER_ALLOWED = {
    *(errno.EACCES, errno.EPERM, errno.EROFS),
    *(errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG),
}
_REDIS_SCHEMES = {"redis", "rediss", "redis+unix", "valkey", "valkeys", "valkey+unix"}
_STORAGES = "leave it empty to count on this machine, or write redis://HOST:6379/0"
_NO_STORAGE = f"names no storage of rate limits; {_STORAGES} (special characters of a password as %XX)."
_RATES = (
    *("track_rate_limit", "browser_rate_limit"),
    *("login_rate_limit", "login_address_rate_limit", "link_rate_limit"),
)
_REDIS_PATIENCE = 0.25
_PAUSE_AFTER_FAILURE = 1.0
_SECONDS_BETWEEN_WARNINGS = 60.0

_log = logging.getLogger(__name__)


def parse_rate(text: str, *, setting: str = TRACK_SETTING) -> RateLimitItem | None:
    """One limit as the `limits` library writes it, such as `20/second` or `10 per 2 minutes`.

    None for an empty text, which switches the limit off. Anything else, such as a bare number or two
    limits, raises ConfigurationError, whose text names `setting`.
    """
    if not text.strip():
        return None
    match = _RATE.fullmatch(text)
    try:
        if match and int(match[1]) and (match[2] is None or int(match[2])):
            return parse(text)
    except ValueError:
        pass  # a unit that the library does not know
    raise ConfigurationError(
        f"{setting}={text!r} is no rate limit. Write one number above 0 and a unit: 20/second, 600/minute, "
        "10 per 2 seconds (units: second, minute, hour, day, month, year); leave it empty for no limit."
    )


def describe_rate(item: RateLimitItem) -> str:
    """A limit in words: `20 requests per second`, `10 requests per 2 minutes`."""
    noun = "request" if item.amount == 1 else "requests"
    unit = item.GRANULARITY.name
    period = unit if item.multiples == 1 else f"{item.multiples} {unit}s"
    return f"{item.amount} {noun} per {period}"


def shared_uri(folder: Path) -> str:
    """The storage URI, as Flask-Limiter takes it too, of the windows kept in `folder`."""
    return f"{SCHEME}://{quote(str(folder.absolute()))}"


def storage_options(uri: str) -> dict[str, float | str | bool]:
    """What the storage of `uri` has to be made with, also by Flask-Limiter (RATELIMIT_STORAGE_OPTIONS).

    Without it a Redis that is away would hold every request for seconds; the URI may say otherwise.
    """
    if urlsplit(uri).scheme in _REDIS_SCHEMES:
        return {"socket_timeout": _REDIS_PATIENCE, "socket_connect_timeout": _REDIS_PATIENCE}
    return {}


def make_storage(uri: str, folder: Path) -> Storage:
    """The storage that `uri` names; `rybbit+shared://` alone, or nothing, is the shared one in `folder`.

    Raises ConfigurationError for an address that is unknown, malformed or cannot keep moving windows,
    and for a missing driver; its text names the setting. A server that is away is no error here.
    """
    if uri in ("", f"{SCHEME}://"):
        uri = shared_uri(folder)
    try:
        storage = storage_from_string(uri, **storage_options(uri))
    except ConfigurationError as error:
        raise ConfigurationError(f"{STORAGE_SETTING}: {error}") from error
    except (errors.ConfigurationError, ValueError) as error:
        # Of an address that it cannot take the library repeats all or parts, which may be the password.
        is_address = isinstance(error, ValueError) or uri in str(error)
        raise ConfigurationError(f"{STORAGE_SETTING}: {_NO_STORAGE if is_address else error}") from error
    if not isinstance(storage, Storage) or not isinstance(storage, MovingWindowSupport):
        raise ConfigurationError(
            f"{STORAGE_SETTING}: {urlsplit(uri).scheme}:// keeps no moving windows; {_STORAGES}."
        )
    return storage


def check_rates(config: Config, storage: Storage) -> None:
    """Refuse a limit that is none or that `storage` cannot count.

    Raises ConfigurationError, whose text names the setting.
    """
    for name in _RATES:
        setting = f"{PREFIX}{name.upper()}"
        rate = parse_rate(getattr(config, name), setting=setting)
        try:
            if rate and isinstance(storage, SharedStorage):
                slot_count(rate.amount)
        except ConfigurationError as error:
            raise ConfigurationError(f"{setting}: {error}") from error


class SharedStorage(Storage, MovingWindowSupport):
    """Moving windows over all processes of a machine, under `rybbit+shared:///FOLDER`.

    For the strategy `moving-window` alone. Raises Unavailable when a file cannot be made now (disk
    full), and ConfigurationError when it never will be (no permission, limit too large).
    """

    STORAGE_SCHEME = [SCHEME]  # noqa: RUF012  # the type is that of the library

    def __init__(self, uri: str, wrap_exceptions: bool = False, **options: float | str | bool) -> None:
        super().__init__(uri, wrap_exceptions=wrap_exceptions, **options)
        parts = urlsplit(uri)
        if parts.netloc or not parts.path.startswith("/"):
            raise ConfigurationError(f"{uri!r} names no folder: write {SCHEME}:///absolute/path.")
        self.folder = Path(unquote(parts.path))
        self._files: dict[tuple[int, int], WindowFile] = {}
        self._opening = threading.Lock()
        register_forkable(self)

    def reset_after_fork(self) -> None:
        """Have a forked child open files and locks of its own."""
        self._files = {}
        self._opening = threading.Lock()

    @property
    def base_exceptions(self) -> tuple[type[Exception], ...]:
        """What the methods raise."""
        return (OSError, RybbitError)

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count `amount` hits of `key` if at most `limit` fall into the last `expiry` seconds, else none."""
        file = self._files.get((limit, expiry)) or self._open(limit, expiry)
        return file.acquire(key, amount)

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """The wall-clock time of the oldest hit that counts now (seconds), and the number of them."""
        file = self._files.get((limit, expiry)) or self._open(limit, expiry)
        age, count = file.window(key)
        return clock.now_ms() / 1000 - age, count

    def clear(self, key: str) -> None:
        """Take back all hits of `key`, under every limit."""
        for file in self._every_file():
            file.forget(key)

    def reset(self) -> int | None:
        """Take back all hits of all keys; the answer is the number of limits."""
        files = list(self._every_file())
        for file in files:
            file.forget_all()
        return len(files)

    def check(self) -> bool:
        """Whether the folder can be written to and its files opened."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.folder) as probe:
                probe.write(bytes(4096))
            list(self._every_file())
        except (OSError, RybbitError):
            return False
        return True

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Not supported: a fixed window."""
        self._refuse()

    def get(self, key: str) -> int:
        """Not supported: a fixed window."""
        self._refuse()

    def get_expiry(self, key: str) -> float:
        """Not supported: a fixed window."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise NotImplementedError(f"{SCHEME}:// keeps moving windows only: use the strategy moving-window.")

    def close(self) -> None:
        """Unmap all files; the next call opens them anew, so nobody else may be in one."""
        with self._opening:
            files, self._files = self._files, {}
        for file in files.values():
            file.close()

    def _every_file(self) -> Iterator[WindowFile]:
        for path in sorted(self.folder.glob("*.window")):
            match = _FILE_NAME.fullmatch(path.name)
            limit, expiry = (int(match[1]), int(match[2])) if match else (0, 0)
            if match and file_name(limit, expiry) == path.name:
                yield self._open(limit, expiry)

    def _open(self, limit: int, expiry: int) -> WindowFile:
        with self._opening:
            file = self._files.get((limit, expiry))
            if file is None:
                try:
                    file = WindowFile(self.folder, limit, expiry)
                except OSError as error:
                    self._fail(error)
                self._files[limit, expiry] = file
            return file

    def _fail(self, error: OSError) -> NoReturn:
        message = f"The rate limits cannot be kept in {self.folder}: {error.strerror}."
        kind = ConfigurationError if error.errno in _NEVER_ALLOWED else Unavailable
        raise kind(message) from error


class TrackLimiter:
    """Counts requests by key, and says which are beyond `rate` (None: none is).

    Works with every strategy and storage of the `limits` library; ours are `MovingWindowRateLimiter` and
    what `make_storage` answers. While the storage fails every request is let through, since a lost event
    is worse than a missed limit; one request a second asks it again, and the log has a line a minute.
    """

    def __init__(self, rate: RateLimitItem | None, strategy: RateLimiter) -> None:
        self.rate = rate
        self._strategy = strategy
        self._failing_until = 0.0
        self._warned_at = -math.inf
        storage = strategy.storage
        of_storage = storage.base_exceptions
        self._failures: tuple[type[Exception], ...] = (
            *(of_storage if isinstance(of_storage, tuple) else (of_storage,)),
            *(errors.StorageError, errors.ConcurrentUpdateError, OSError),
        )
        # A limit that cannot be kept is refused at the start, not passed over at every request.
        if rate and isinstance(storage, SharedStorage):
            slot_count(rate.amount)

    def hit(self, key: str) -> int:
        """Count a request of `key`: 0 if it is let through, else in how many whole seconds to try again."""
        return self._ask(key, self._strategy.hit)

    def wait(self, key: str) -> int:
        """What `hit` would answer, without counting anything."""
        return self._ask(key, self._strategy.test)

    def _ask(self, key: str, question: Callable[[RateLimitItem, str], bool]) -> int:
        if self.rate is None or (self._failing_until and self._is_paused()):
            return 0
        try:
            if question(self.rate, key):
                self._failing_until = 0.0
                return 0
            reset_time = self._strategy.get_window_stats(self.rate, key).reset_time
        except self._failures as error:
            self._pass_over(error)
            return 0
        self._failing_until = 0.0
        wait = math.ceil(reset_time - clock.now_ms() / 1000)
        return max(1, min(wait, self.rate.get_expiry()))

    def _is_paused(self) -> bool:
        now = clock.monotonic()
        if now < self._failing_until:
            return True
        # This request asks the storage, and may wait for it in vain; the others need not.
        self._failing_until = now + _PAUSE_AFTER_FAILURE
        return False

    def _pass_over(self, error: Exception) -> None:
        now = clock.monotonic()
        self._failing_until = now + _PAUSE_AFTER_FAILURE
        if now >= self._warned_at + _SECONDS_BETWEEN_WARNINGS:
            self._warned_at = now
            _log.warning("The rate limit is not enforced, its storage fails: %s", error)
