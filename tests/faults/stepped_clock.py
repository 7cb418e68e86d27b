"""`stepped_clock.py FILE serve …`: the `rybbit` command with a wall clock that FILE moves.

The file holds the milliseconds by which the clock is wrong; it is read whenever somebody asks for the time.
"""

import sys
from pathlib import Path

from rybbit import clock

_real_now_ms = clock.now_ms


def _now_ms() -> int:
    return _real_now_ms() + int(OFFSET.read_text())


if __name__ == "__main__":
    OFFSET = Path(sys.argv.pop(1))
    setattr(clock, "now_ms", _now_ms)  # noqa: B010 -- a type checker would refuse the assignment

    from rybbit.cli import main

    main(prog_name="rybbit")
