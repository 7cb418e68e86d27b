"""Where an address is, from a city database in MaxMind's format that may be replaced at any time."""

import logging
import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from geoip2.database import Reader
from geoip2.errors import AddressNotFoundError
from geoip2.models import City

from rybbit import clock, locks
from rybbit.ingest.exclusions import normalise_address

logger = logging.getLogger(__name__)

# Some 250 bytes each; a look-up that is not remembered costs as much as a tenth of an event's whole way.
_CACHE_SIZE = 131_072
_SHARED_PLACES = 32_768
_CHECK_SECONDS = 1.0

_Signature = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Place:
    """What a database says of an address; "" and None where it says nothing.

    `country` is the upper-case ISO 3166-1 code. `region` is the first subdivision, as its ISO 3166-2
    code (`US-CA`) or, where the database has no codes, as its English name. `city` is in English,
    `timezone` an IANA name, latitude and longitude are in degrees.
    """

    country: str = ""
    region: str = ""
    city: str = ""
    latitude: float | None = None
    longitude: float | None = None
    timezone: str = ""


NOWHERE = Place()


class NoCities(ValueError):
    """The file is a database, but of something else."""


@dataclass(frozen=True, slots=True)
class _Opened:
    """One version of a file: how to ask it and what it says of itself, or why it cannot be asked."""

    path: Path
    signature: _Signature | None
    locate: Callable[[str], Place]
    database_type: str = ""
    build_date: str = ""
    error: str = ""


class GeoDatabase:
    """A city database file, opened when it is first asked and again whenever it is replaced.

    Of several paths the first that exists counts, at every moment. Replace a file by renaming another
    over it: it is mapped into memory, and shortening it in place would kill the processes that read
    it. A missing or damaged file gives empty places and one log line, never an exception. Safe to
    share between threads and to carry through a fork.
    """

    def __init__(self, path: Path, *fallbacks: Path) -> None:
        self._paths = (path, *fallbacks)
        self._check_at = -math.inf
        self._reload_lock = threading.Lock()
        self._opened = _Opened(path, None, _locate_nowhere)
        self._reported = ""
        locks.register_forkable(self)

    def locate(self, address: str) -> Place:
        """The place of an IP address; an empty one for unknown, private and malformed addresses."""
        if clock.monotonic() >= self._check_at:
            self.reload_if_changed()
        opened = self._opened
        try:
            return opened.locate(address)
        except Exception as error:  # geoip2 raises whatever its code meets in a damaged record
            self._note_damage(opened, error)
            return NOWHERE

    def reload_if_changed(self) -> None:
        """Open the file anew if it is not the one that is open; looks at most once a second."""
        first_time = self._check_at == -math.inf
        # The first thread to notice does it; the others go on with what is open, if anything is.
        if not self._reload_lock.acquire(blocking=first_time):
            return
        try:
            if clock.monotonic() >= self._check_at:
                self._reload()
                self._check_at = clock.monotonic() + _CHECK_SECONDS
        finally:
            self._reload_lock.release()

    def describe(self) -> dict[str, object]:
        """What is open: `path`, `database_type`, `build_date` (YYYY-MM-DD), whether it is `ok`, `error`."""
        self.reload_if_changed()
        opened = self._opened
        return {
            "path": str(opened.path),
            "database_type": opened.database_type,
            "build_date": opened.build_date,
            "ok": not self._reported,
            "error": self._reported,
        }

    def reset_after_fork(self) -> None:
        """Replace the lock, which a thread of the parent may have held."""
        self._reload_lock = threading.Lock()

    def _reload(self) -> None:
        path, signature = _first_existing(self._paths)
        if signature is not None and signature == self._opened.signature:
            return
        # Threads may still be asking the old reader; it closes when the last of them lets go of it.
        self._opened = opened = _open(path, signature)
        if opened.error:
            self._report(opened.error)
        elif self._reported:
            logger.info("geo database %s can be read again", path)
            self._reported = ""

    def _note_damage(self, opened: _Opened, error: Exception) -> None:
        with self._reload_lock:
            if self._opened is opened:
                self._report(_explain(error))

    def _report(self, error: str) -> None:
        if error != self._reported:
            self._reported = error
            logger.warning("geo database %s: %s; events get no place", self._opened.path, error)


def open_reader(path: Path) -> Reader:
    """Open a database that knows cities, mapped into memory.

    Raises `NoCities` for a database of another kind, and whatever maxminddb or geoip2 raise for a
    file that is none.
    """
    reader = Reader(path)
    kind = reader.metadata().database_type
    if "City" not in kind:
        raise NoCities(f"it is a {kind[:40]} database, which knows no cities")
    return reader


def look_up(reader: Reader, address: str) -> Place:
    """Ask an open database without a cache; raises whatever geoip2 raises if it is damaged."""
    canonical = normalise_address(address)
    if canonical is None or (":" in canonical and reader.metadata().ip_version == 4):
        return NOWHERE
    try:
        return _to_place(reader.city(canonical))
    except AddressNotFoundError:
        return NOWHERE


def _locate_nowhere(address: str) -> Place:
    return NOWHERE


def _first_existing(paths: Sequence[Path]) -> tuple[Path, _Signature | None]:
    for path in paths:
        signature = _sign(path)
        if signature is not None:
            return path, signature
    return paths[0], None


def _sign(path: Path) -> _Signature | None:
    """What differs between two versions of a file; None if there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size


def _open(path: Path, signature: _Signature | None) -> _Opened:
    if signature is None:
        return _Opened(path, None, _locate_nowhere, error="the file is missing")
    try:
        reader = open_reader(path)
        metadata = reader.metadata()
        build_date = datetime.fromtimestamp(metadata.build_epoch, UTC).date().isoformat()
    except Exception as error:  # as in `locate`: any damage, any exception
        return _Opened(path, signature, _locate_nowhere, error=_explain(error))
    # Most addresses share their place with others: kept once, it lets the cache hold many more of them.
    shared: dict[Place, Place] = {}

    def locate(address: str) -> Place:
        if len(shared) >= _SHARED_PLACES:
            shared.clear()
        place = look_up(reader, address)
        return shared.setdefault(place, place)

    cached = lru_cache(maxsize=_CACHE_SIZE)(locate)
    return _Opened(path, signature, cached, metadata.database_type, build_date)


def _explain(error: Exception) -> str:
    if isinstance(error, NoCities):
        return str(error)
    if isinstance(error, OSError):
        return f"the file cannot be read ({error.strerror or type(error).__name__})"
    # The message may quote the address that was asked for.
    return f"the file is damaged ({type(error).__name__})"


def _to_place(found: City) -> Place:
    country = _text(found.country.iso_code).upper()
    location = found.location
    return Place(
        country=country,
        region=_region(found, country),
        city=_text(found.city.name),
        latitude=_degrees(location.latitude, 90),
        longitude=_degrees(location.longitude, 180),
        timezone=_text(location.time_zone),
    )


def _region(found: City, country: str) -> str:
    if not found.subdivisions:
        return ""
    widest = found.subdivisions[0]
    code = _text(widest.iso_code).upper()
    return f"{country}-{code}" if code and country else _text(widest.name)


def _text(value: object) -> str:
    """A database may hold anything anywhere; what is no text counts as not there."""
    return value if isinstance(value, str) else ""


def _degrees(value: object, limit: int) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if -limit <= value <= limit else None
