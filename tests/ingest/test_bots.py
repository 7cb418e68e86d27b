"""Crawlers are told from people, quickly, whatever the user agent holds."""

import json
import subprocess
import sys
import time
from pathlib import Path

import crawleruseragents
import pytest

from rybbit.ingest.bots import is_bot, warm_up

PEOPLE = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 "
    "Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.5 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
    # A telephone whose maker is called so.
    "Mozilla/5.0 (Linux; Android 13; CUBOT P80) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/114.0.0.0 "
    "Mobile Safari/537.36",
]
CRAWLERS = [
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/126.0.0.0 "
    "Safari/537.36",
    "curl/8.5.0",
    "python-requests/2.32.3",
]


@pytest.mark.parametrize("user_agent", PEOPLE)
def test_people_pass(user_agent: str) -> None:
    assert not is_bot(user_agent)


@pytest.mark.parametrize("user_agent", CRAWLERS)
def test_crawlers_are_found(user_agent: str) -> None:
    assert is_bot(user_agent)


@pytest.mark.parametrize("user_agent", [None, "", " ", "\t \n"])
def test_nothing_is_a_bot(user_agent: str | None) -> None:
    assert is_bot(user_agent)


def test_every_example_of_the_list_is_found() -> None:
    listed = json.loads((Path(crawleruseragents.__file__).parent / "crawler-user-agents.json").read_text())
    examples = [example for entry in listed for example in entry["instances"] if len(example) <= 512]
    assert len(examples) > 1000
    assert [example for example in examples if not is_bot(example)] == []


def test_only_the_first_512_characters_count() -> None:
    assert is_bot("x" * 500 + "Googlebot/2.")
    assert not is_bot("x" * 512 + "Googlebot/2.1")


@pytest.mark.parametrize(
    "piece", ["Spider", "ContextualBot", "Current", "Mozilla/5.0 (", "\ud800", "é", "bot"]
)
def test_hostile_user_agents_take_milliseconds(piece: str) -> None:
    warm_up()
    user_agent = (piece * 512)[:512]
    started = time.thread_time()
    is_bot(user_agent)
    assert time.thread_time() - started < 0.1


def test_importing_reads_no_list() -> None:
    code = "import sys, rybbit.ingest.bots; sys.exit('crawleruseragents' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
