"""Plausible events for benchmarks: those of `rybbit demo`, written as closed journal files."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from rybbit.ingest.visitor import hash_visitor
from rybbit.transfer.demo import DAY_MS, Demo, Target, demo_lines

__all__ = ["DAY_MS", "event_lines", "write_journal"]

PER_FILE = 50_000


def event_lines(count: int, *, sites: int, days: int, end_ms: int, seed: int = 1) -> Iterator[bytes]:
    """The demo's traffic for sites from number 1 on, over the days before `end_ms`, in order of time."""
    targets = [
        Target(site, "www.example.com", lambda name: hash_visitor(b"bench", "user", name))
        for site in range(1, sites + 1)
    ]
    start_ms = end_ms - days * DAY_MS
    return demo_lines(Demo(targets=targets, events=count, start_ms=start_ms, end_ms=end_ms, seed=seed))


def write_journal(folder: Path, lines: Iterator[bytes], *, born_ms: int) -> None:
    """Write lines as closed journal files of the size that a busy server makes."""
    for part, chunk in enumerate(iter(lambda: list(islice(lines, PER_FILE)), [])):
        (folder / f"{born_ms}-bench-{part:06d}.jsonl").write_bytes(b"".join(chunk))
