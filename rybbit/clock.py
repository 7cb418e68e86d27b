"""The two clocks. Everything that asks for the time asks here, so that a test can step it."""

import time
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def now_ms() -> int:
    """Wall-clock time in milliseconds since 1970; may step back."""
    return time.time_ns() // 1_000_000


def now() -> datetime:
    """Wall-clock time in UTC, aware, in whole milliseconds."""
    return from_ms(now_ms())


def from_ms(milliseconds: int) -> datetime:
    """The aware UTC datetime of a count of milliseconds since 1970."""
    seconds, rest = divmod(milliseconds, 1000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest * 1000)


def to_ms(moment: datetime) -> int:
    """Milliseconds since 1970 of a datetime, of UTC unless it knows better."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(aware.timestamp() * 1000)


def to_iso(moment: datetime) -> str:
    """ISO 8601 in UTC with milliseconds and `Z`, as the API shows times."""
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def monotonic() -> float:
    """Seconds on a clock that never steps back and that all processes of the machine share."""
    return time.monotonic()


@cache
def boot_id() -> str:
    """A text that changes when the machine starts anew, and the monotonic clock with it."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        # macOS has no such file; the moment of the start, to the minute, serves as well.
        return f"boot-{round((time.time() - time.monotonic()) / 60)}"
