"""What the tests of the rate limits share."""

from collections.abc import Callable
from pathlib import Path

import pytest
from limits.strategies import MovingWindowRateLimiter

from rybbit import clock
from rybbit.limits import make_storage


class Hands:
    """A clock that moves only when a test moves it."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def install(self, patch: pytest.MonkeyPatch) -> "Hands":
        patch.setattr(clock, "monotonic", self.monotonic)
        patch.setattr(clock, "now_ms", self.now_ms)
        return self

    def monotonic(self) -> float:
        return self.seconds

    def now_ms(self) -> int:
        return 1_700_000_000_000 + int(self.seconds * 1000)


def shared(folder: Path) -> MovingWindowRateLimiter:
    """A limiter as a freshly started process has it."""
    return MovingWindowRateLimiter(make_storage("", folder))


def passes(hit: Callable[[], bool], tries: int) -> int:
    """How many of so many tries come through."""
    return sum(hit() for _ in range(tries))


def only_file(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path
