"""Rate limits: what a setting means, what a caller is told, and what happens when a storage fails."""

import gc
import logging
import os
import resource
import socket
import time
from pathlib import Path

import pytest
from flask import Flask
from flask_limiter import Limiter
from limits import RateLimitItemPerSecond
from limits.storage import Storage
from limits.strategies import FixedWindowRateLimiter, MovingWindowRateLimiter

from rybbit.errors import ConfigurationError, Unavailable
from rybbit.limits import TrackLimiter, describe_rate, make_storage, parse_rate, shared_uri
from tests.limit_tools import Hands, shared

REDIS_URL = os.environ.get("RYBBIT_TEST_REDIS_URL", "")


@pytest.fixture
def hands(monkeypatch: pytest.MonkeyPatch) -> Hands:
    return Hands().install(monkeypatch)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "it's 100 % full? #ü" / "limits"


# What a setting means


@pytest.mark.parametrize(
    ("text", "amount", "seconds", "words"),
    [
        ("20/second", 20, 1, "20 requests per second"),
        (" 1000 / Second ", 1000, 1, "1000 requests per second"),
        ("600/minute", 600, 60, "600 requests per minute"),
        ("10 per 2 second", 10, 2, "10 requests per 2 seconds"),
        ("10 per 2 minutes", 10, 120, "10 requests per 2 minutes"),
        ("1 per 1 hour", 1, 3600, "1 request per hour"),
    ],
)
def test_a_rate_is_read_and_described(text: str, amount: int, seconds: int, words: str) -> None:
    rate = parse_rate(text)
    assert rate is not None
    assert (rate.amount, rate.get_expiry(), describe_rate(rate)) == (amount, seconds, words)


@pytest.mark.parametrize("text", ["", "  "])
def test_an_empty_rate_is_off(text: str) -> None:
    assert parse_rate(text) is None


@pytest.mark.parametrize(
    "text",
    [
        *("20", "20/", "20 second", "second", "20persecond", "5/second\nx", "٢٠/second"),
        *("0/second", "-1/second", "1.5/second", "5/0second", "9" * 5000 + "/second", "5/fortnight"),
        *("5/second;9/minute", "5/second,9/minute", "5/second|9/minute"),
    ],
)
def test_anything_else_is_refused_by_name(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"RYBBIT_LOGIN_LIMIT=.*20/second"):
        parse_rate(text, setting="RYBBIT_LOGIN_LIMIT")


# What the caller is told


@pytest.mark.parametrize("uri", ["", "memory://"])
def test_a_refusal_says_when_to_try_again(folder: Path, uri: str) -> None:
    limiter = TrackLimiter(parse_rate("2/second"), MovingWindowRateLimiter(make_storage(uri, folder)))
    assert [limiter.hit("key") for _ in range(3)] == [0, 0, 1]
    assert limiter.hit("another") == 0
    time.sleep(1.001)
    assert limiter.hit("key") == 0


def test_the_wait_is_rounded_up_and_no_longer_than_needed(folder: Path, hands: Hands) -> None:
    limiter = TrackLimiter(parse_rate("2 per 10 seconds"), shared(folder))
    assert [limiter.hit("key"), limiter.hit("key"), limiter.hit("key")] == [0, 0, 10]
    hands.seconds += 8.5
    assert limiter.hit("key") == 2
    hands.seconds += 2
    assert limiter.hit("key") == 0


def test_no_rate_lets_everything_through(folder: Path) -> None:
    limiter = TrackLimiter(None, shared(folder))
    assert not any(limiter.hit("key") for _ in range(100))
    assert not folder.exists()


# Who uses the storage


def test_fixed_windows_are_refused(folder: Path) -> None:
    limiter = FixedWindowRateLimiter(make_storage("", folder))
    with pytest.raises(NotImplementedError, match="use the strategy moving-window"):
        limiter.hit(RateLimitItemPerSecond(1), "key")


def test_flask_limiter_takes_the_storage(folder: Path) -> None:
    app = Flask("host")
    Limiter(
        lambda: "everybody",
        app=app,
        default_limits=["2/minute"],
        storage_uri=shared_uri(folder),
        strategy="moving-window",
        headers_enabled=True,
    )
    app.add_url_rule("/", view_func=lambda: "hello")
    answers = [app.test_client().get("/") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert 55 <= int(answers[2].headers["Retry-After"]) <= 60


# When it cannot be kept


def test_a_limit_too_large_to_count_is_refused_at_once(folder: Path) -> None:
    rate = RateLimitItemPerSecond(100_000)
    with pytest.raises(ConfigurationError, match="100000 requests is too large"):
        TrackLimiter(rate, shared(folder))
    assert TrackLimiter(rate, MovingWindowRateLimiter(make_storage("memory://", folder))).hit("key") == 0


def test_a_storage_that_fails_lets_events_through_and_says_so_once_a_minute(
    folder: Path, hands: Hands, caplog: pytest.LogCaptureFixture
) -> None:
    folder.parent.mkdir()
    folder.write_text("a file where the folder should be")
    storage = make_storage("", folder)
    limiter = TrackLimiter(parse_rate("1/minute"), MovingWindowRateLimiter(storage))
    with caplog.at_level(logging.WARNING):
        assert [limiter.hit("key") for _ in range(3)] == [0, 0, 0]
        hands.seconds += 59
        assert limiter.hit("key") == 0
        assert len(caplog.records) == 1
        assert "not enforced" in caplog.text and str(folder) in caplog.text
        hands.seconds += 2
        assert limiter.hit("key") == 0
        assert len(caplog.records) == 2
    assert not storage.check()
    folder.unlink()
    assert storage.check()
    assert [limiter.hit("key") for _ in range(3)] == [0, 0, 0]
    hands.seconds += 1.001
    assert [limiter.hit("key"), limiter.hit("key")] == [0, 60]


def test_a_folder_that_is_none_is_a_matter_of_configuration(folder: Path) -> None:
    folder.parent.mkdir()
    folder.write_text("")
    with pytest.raises(ConfigurationError, match="cannot be kept in"):
        shared(folder).hit(RateLimitItemPerSecond(1), "key")


def test_a_file_that_does_not_fit_is_made_later(folder: Path) -> None:
    limiter, rate = shared(folder), RateLimitItemPerSecond(1, 60)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    gc.collect()
    descriptors = len(list(Path("/dev/fd").iterdir()))
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        for _ in range(3):
            with pytest.raises(Unavailable, match="cannot be kept in"):
                limiter.hit(rate, "key")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    gc.collect()
    assert len(list(Path("/dev/fd").iterdir())) <= descriptors
    assert [limiter.hit(rate, "key"), limiter.hit(rate, "key")] == [True, False]


@pytest.mark.parametrize(
    "uri",
    ["nonsense://", "rybbit+shared://relative/folder", "redis://host:port", "async+memory://", "memory"],
)
def test_a_storage_that_is_none_is_refused(folder: Path, uri: str) -> None:
    with pytest.raises(ConfigurationError):
        make_storage(uri, folder)


def redis_storage(url: str, folder: Path) -> Storage:
    pytest.importorskip("redis", reason="the redis driver is not installed")
    return make_storage(url, folder)


@pytest.mark.skipif(not REDIS_URL, reason="RYBBIT_TEST_REDIS_URL names no Redis server")
def test_redis_limits_several_machines(folder: Path) -> None:
    limiter = TrackLimiter(parse_rate("2/second"), MovingWindowRateLimiter(redis_storage(REDIS_URL, folder)))
    key = f"test-{time.time_ns()}"
    assert [limiter.hit(key) for _ in range(3)] == [0, 0, 1]
    time.sleep(1.1)
    assert limiter.hit(key) == 0


def test_a_redis_that_is_away_holds_nobody_up(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    storage = redis_storage("redis://127.0.0.1:1", folder)
    limiter = TrackLimiter(parse_rate("1/minute"), MovingWindowRateLimiter(storage))
    started = time.monotonic()
    assert [limiter.hit("key") for _ in range(100)] == [0] * 100
    assert time.monotonic() - started < 2
    assert len(caplog.records) == 1


def test_a_redis_that_does_not_answer_is_given_up_soon(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        storage = redis_storage(f"redis://127.0.0.1:{port}", folder)
        limiter = TrackLimiter(parse_rate("1/minute"), MovingWindowRateLimiter(storage))
        started = time.monotonic()
        assert [limiter.hit("key") for _ in range(100)] == [0] * 100
        assert time.monotonic() - started < 2
    assert "not enforced" in caplog.text
