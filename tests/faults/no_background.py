"""`no_background.py serve …`: the `rybbit` command without its background jobs.

What is written all the same was written in a request or at the end of a worker.
"""

from rybbit.background import Background


def _start(_background: Background) -> None:
    """Begin nothing."""


if __name__ == "__main__":
    setattr(Background, "start", _start)  # noqa: B010 -- a type checker would refuse the assignment

    from rybbit.cli import main

    main(prog_name="rybbit")
