"""`python -m tests.bench.stats_bench`: what a dashboard asks, beside plain DuckDB on the same files."""

import argparse
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rybbit.stats.breakdown import breakdown
from rybbit.stats.buckets import Bucket
from rybbit.stats.dimensions import find_dimension
from rybbit.stats.overview import overview, overview_bucketed
from rybbit.stats.period import Period, parse_period
from rybbit.stats.question import Question
from rybbit.stats.sessions import session_page
from rybbit.store.base import EventStore
from rybbit.store.lake import LakeOptions
from tests.bench.read_bench import MEMORY, filled_store, open_store, peak_mb

_ROUNDS = 7
_PAGE = 100

# The same answers in the plainest words: what an owner of the files would type.
_SOURCE = "read_parquet($files) where site_id = 1 and timestamp >= make_timestamp_ms($start)"
_VIEWS = "count(*) filter (where type = 'pageview')"
_BY_VALUE = f"""
select value, count(*), sum(pages), count(*) filter (where pages = 1), sum(count(*)) over (), count(*) over ()
from (select {{value}} as value, session_id, {_VIEWS} as pages from {_SOURCE} group by all)
where value is not null group by value order by 2 desc limit {_PAGE}
"""
_BY_FIRST = f"""
select value, count(*), sum(pages), count(*) filter (where pages = 1), sum(count(*)) over (), count(*) over ()
from (
  select session_id, arg_min({{value}}, (timestamp, id)) as value, {_VIEWS} as pages
  from {_SOURCE} group by session_id
)
where value is not null group by value order by 2 desc limit {_PAGE}
"""
_FIGURES = """
count(*), sum(pages), count(distinct user_hash), count(*) filter (where pages = 1), avg(length)
"""
_VISITS = f"{_VIEWS} as pages, epoch_us(max(timestamp) - min(timestamp)) as length from {_SOURCE}"
RAW = {
    "overview": f"select {_FIGURES} from (select user_hash, {_VISITS} group by session_id, user_hash)",
    "bucketed": f"""
select day, {_FIGURES}
from (select timestamp::date as day, user_hash, {_VISITS} group by day, session_id, user_hash)
group by day order by day
""",
    "pathname": f"""
with bounced as (
  select session_id from {_SOURCE} and type = 'pageview' group by session_id having count(*) = 1
)
select value, count(*), sum(pages), count(*) filter (where session_id in (from bounced)),
  sum(count(*)) over (), count(*) over ()
from (select pathname as value, session_id, {_VIEWS} as pages from {_SOURCE} group by all)
where value is not null group by value order by 2 desc limit {_PAGE}
""",
    "country": _BY_VALUE.format(value="country"),
    "browser": _BY_VALUE.format(value="browser"),
    "referrer": _BY_FIRST.format(value="referrer_domain"),
    "entry page": _BY_FIRST.format(value="case when type = 'pageview' then pathname end"),
    "sessions": f"""
select session_id, max(timestamp), min(timestamp), {_VIEWS}, arg_min(pathname, (timestamp, id)),
  arg_max(pathname, (timestamp, id)), any_value(user_hash), arg_max(country, (timestamp, id)),
  arg_max(browser, (timestamp, id)), arg_min(referrer, (timestamp, id)), arg_min(channel, (timestamp, id))
from {_SOURCE} group by session_id order by 2 desc limit {_PAGE}
""",
}


def questions(store: EventStore, question: Question) -> dict[str, Callable[[], Any]]:
    """The eight questions of a dashboard."""
    by = {"pathname": "pathname", "country": "country", "browser": "browser"}
    by |= {"referrer": "referrer", "entry page": "entry_page"}
    return {
        "overview": lambda: overview(store, question),
        "bucketed": lambda: overview_bucketed(store, question, Bucket.DAY),
        **{name: _breakdown(store, question, dimension) for name, dimension in by.items()},
        "sessions": lambda: session_page(store, question, limit=_PAGE),
    }


def _breakdown(store: EventStore, question: Question, name: str) -> Callable[[], Any]:
    return lambda: breakdown(store, question, find_dimension(name), limit=_PAGE)


def in_turn(*runs: Callable[[], Any]) -> list[float]:
    """The median times (ms) of warm calls, made in turn, so that all meet the same machine."""
    times: list[list[float]] = [[] for _ in runs]
    for run in runs:
        run()
    for _ in range(_ROUNDS):
        for place, run in enumerate(runs):
            began = time.perf_counter()
            run()
            times[place].append((time.perf_counter() - began) * 1000)
    return [statistics.median(each) for each in times]


def at_once(*runs: Callable[[], Any]) -> float:
    """The median time (ms) until all have ended, begun together as a dashboard does."""
    with ThreadPoolExecutor(len(runs)) as pool:

        def run_all() -> None:
            for each in [pool.submit(run) for run in runs]:
                each.result()

        return in_turn(run_all)[0]


@dataclass(frozen=True)
class Plain:
    """DuckDB as anybody would open it, with as much memory and as many threads."""

    files: list[str]
    start: int

    def ask(self, sql: str) -> Callable[[], Any]:
        """A call that puts a question to it."""
        import duckdb

        engine = duckdb.connect(config={"memory_limit": MEMORY})
        engine.execute("set parquet_metadata_cache = true")
        values = {"files": self.files, "start": self.start}
        return lambda: engine.execute(sql, values).fetchall()


def report(folder: Path, count: int) -> None:
    """Fill a store and print how long the questions take."""
    # In a process of its own, whose memory is not that of the questions.
    filling = multiprocessing.get_context("spawn").Process(target=_fill, args=(folder, count))
    filling.start()
    filling.join()
    store = open_store(folder)
    keeping = open_store(folder, keep_answers=LakeOptions.keep_answers)
    files = [str(path) for path in (folder / "events").glob("*.parquet")]
    for run in questions(store, Question(1, _last(30))).values():
        run()
    print(f"peak memory of a process that asked the eight once: {peak_mb():,.0f} MB")
    print(f"{'':12}" + "".join(f"{name:>12}" for name in RAW) + f"{'together':>12}")
    for days in (30, 7, 1):
        period = _last(days)
        asked = questions(store, Question(1, period))
        plain = Plain(files, period.start_ms or 0)
        plainly = {name: plain.ask(sql) for name, sql in RAW.items()}
        pairs = {name: in_turn(asked[name], plainly[name]) for name in RAW}
        ours, raw = ({name: pair[place] for name, pair in pairs.items()} for place in (0, 1))
        _print(f"{days} days, ms", ours)
        _print("plain DuckDB", raw)
        ratios = "".join(f"{ours[name] / raw[name]:12.2f}" for name in RAW)
        print(f"{'ratio':12}{ratios}{sum(ours.values()) / sum(raw.values()):12.2f}")
        both = (at_once(*each.values()) for each in (asked, plainly))
        print("all at once, ms: {:.1f}, plain DuckDB {:.1f}".format(*both))
        again = in_turn(*questions(keeping, Question(1, period)).values())
        print(f"asked again while nothing has changed, ms: {sum(again):.1f}")
    keeping.close()
    store.close()


def _fill(folder: Path, count: int) -> None:
    filled_store(folder, count, sites=1).close()


def _print(title: str, times: dict[str, float]) -> None:
    print(f"{title:12}" + "".join(f"{times[name]:12.1f}" for name in RAW) + f"{sum(times.values()):12.1f}")


def _last(days: int) -> Period:
    # Whole days before now, when the events end: as many at every hour.
    return parse_period({"past_minutes_start": str(days * 24 * 60)})


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, nargs="+", default=[1_000_000, 10_000_000])
    for count in parser.parse_args().events:
        with tempfile.TemporaryDirectory() as name:
            report(Path(name), count)


if __name__ == "__main__":
    main()
