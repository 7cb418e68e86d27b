"""Browser, system and device from user agents of the wild, and from hostile ones."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rybbit.ingest.agent import Agent, parse_agent, warm_up

_MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
_CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 "
MAC_SAFARI = _MAC + "Version/17.4 Safari/605.1.15"
MAC_CHROME = f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {_CHROME}Safari/537.36"
IPAD_CHROME = _MAC + "CriOS/126 Version/11.1.1 Safari/605.1.15"
WINDOWS_EDGE = f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_CHROME}Safari/537.36 Edg/126.0.0.0"
LINUX_CHROME = f"Mozilla/5.0 (X11; Linux x86_64) {_CHROME}Safari/537.36"
ANDROID_PHONE = f"Mozilla/5.0 (Linux; Android 10; K) {_CHROME}Mobile Safari/537.36"
ANDROID_TABLET = f"Mozilla/5.0 (Linux; Android 13; SM-X906C) {_CHROME}Safari/537.36"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.5 Mobile/15E148 Safari/604.1"
)
IPAD = IPHONE.replace("iPhone; CPU iPhone OS", "iPad; CPU OS")
FIREFOX_TABLET = "Mozilla/5.0 (Android 14; Tablet; rv:127.0) Gecko/127.0 Firefox/127.0"
ANDROID_APP = "Dalvik/2.1.0 (Linux; U; Android 13; Pixel 7 Build/TQ3A)"
UNKNOWN = "AcmeBrowser/3.1"

HOSTILE_PIECES = [
    *("a", "1", " ", "; ", "/1.1", "é", "\ud800", "bot", "Spider", "ContextualBot", "SAMSUNG-", "Android "),
    *(
        "Android 1.1.1; ",
        "HbbTV/1.1.1 (;",
        "Mozilla/5.0 (",
        "Linux; Android 9; a ",
        "Version/1 Mobile Safari/",
    ),
]

PHONE_WIDTH, TABLET_WIDTH, DESK_WIDTH = 412, 820, 1440


@pytest.mark.parametrize(
    ("user_agent", "expected"),
    [
        (MAC_SAFARI, Agent("Safari", "17", "macOS", "10.15", "Desktop")),
        (WINDOWS_EDGE, Agent("Edge", "126", "Windows", "10", "Desktop")),
        (LINUX_CHROME, Agent("Chrome", "126", "Linux", "", "Desktop")),
        (ANDROID_PHONE, Agent("Mobile Chrome", "126", "Android", "10", "Mobile")),
        (ANDROID_TABLET, Agent("Chrome", "126", "Android", "13", "Tablet")),
        (IPHONE, Agent("Mobile Safari", "17", "iOS", "17.5", "Mobile")),
        (IPAD, Agent("Mobile Safari", "17", "iOS", "17.5", "Tablet")),
        (FIREFOX_TABLET, Agent("Mobile Firefox", "127", "Android", "14", "Tablet")),
        (UNKNOWN, Agent("", "", "", "", "")),
        (None, Agent("", "", "", "", "")),
        ("", Agent("", "", "", "", "")),
        (" \t", Agent("", "", "", "", "")),
    ],
)
def test_without_a_screen_width(user_agent: str | None, expected: Agent) -> None:
    assert parse_agent(user_agent, None) == expected


@pytest.mark.parametrize(
    ("user_agent", "by_width"),
    [
        # An iPad, or an iPhone asking for desktop pages, claims to be a Mac.
        (MAC_SAFARI, ("Mobile", "Tablet", "Desktop")),
        (IPAD_CHROME, ("Mobile", "Tablet", "Tablet")),
        # So does an Android tablet, of a Linux desktop.
        (LINUX_CHROME, ("Mobile", "Tablet", "Desktop")),
        (ANDROID_TABLET, ("Mobile", "Tablet", "Tablet")),
        (ANDROID_APP, ("Mobile", "Tablet", "Tablet")),
        (UNKNOWN, ("Mobile", "Tablet", "Desktop")),
        (None, ("Mobile", "Tablet", "Desktop")),
        # These say themselves what they are.
        (MAC_CHROME, ("Desktop", "Desktop", "Desktop")),
        (WINDOWS_EDGE, ("Desktop", "Desktop", "Desktop")),
        (ANDROID_PHONE, ("Mobile", "Mobile", "Mobile")),
        (IPHONE, ("Mobile", "Mobile", "Mobile")),
        (IPAD, ("Tablet", "Tablet", "Tablet")),
        (FIREFOX_TABLET, ("Tablet", "Tablet", "Tablet")),
    ],
)
def test_the_screen_width_decides_only_what_is_open(
    user_agent: str | None, by_width: tuple[str, str, str]
) -> None:
    widths = (PHONE_WIDTH, TABLET_WIDTH, DESK_WIDTH)
    assert tuple(parse_agent(user_agent, width).device_type for width in widths) == by_width


@pytest.mark.parametrize(
    ("width", "device_type"),
    [
        (1, "Mobile"),
        (599, "Mobile"),
        (600, "Tablet"),
        (1099, "Tablet"),
        (1100, "Desktop"),
        (10**30, "Desktop"),
    ],
)
def test_the_edges_of_the_widths(width: int, device_type: str) -> None:
    assert parse_agent(None, width).device_type == device_type


def test_the_width_changes_nothing_but_the_device_type() -> None:
    narrow, wide = parse_agent(MAC_SAFARI, PHONE_WIDTH), parse_agent(MAC_SAFARI, DESK_WIDTH)
    assert (narrow.browser, narrow.browser_version) == (wide.browser, wide.browser_version)
    assert narrow.operating_system == wide.operating_system == "macOS"


def test_only_the_first_512_characters_count() -> None:
    assert parse_agent(" " * 512 + IPHONE, None) == Agent("", "", "", "", "")


def test_parts_are_cut_to_a_length_that_true_ones_have() -> None:
    assert parse_agent("Firefox/" + "9" * 400 + ".1", None).browser_version == "9" * 64
    assert parse_agent("Linux; Android 9" + "1" * 400, None).operating_system_version == "9" + "1" * 63
    assert parse_agent("Foo" * 80 + "/1 CFNetwork/12 Darwin/1", None).browser == ("Foo" * 80)[:64]


def test_nul_does_not_get_into_a_name() -> None:
    assert parse_agent("Foo\0Bar/1 CFNetwork/12 Darwin/1", None).browser == "FooBar"


@given(st.text(max_size=600) | st.text(alphabet="/.;()0123456789²٣ ChromeAndroid\0\ud800", max_size=600))
def test_any_text_gives_storable_parts(user_agent: str) -> None:
    for width in (None, TABLET_WIDTH):
        agent = parse_agent(user_agent, width)
        assert agent.device_type in ("", "Desktop", "Mobile", "Tablet")
        parts = (agent.browser, agent.browser_version, agent.operating_system, agent.operating_system_version)
        for part in parts:
            assert len(part.encode()) <= 4 * 64
            assert "\0" not in part


@pytest.mark.parametrize("piece", HOSTILE_PIECES)
def test_hostile_user_agents_take_milliseconds(piece: str) -> None:
    warm_up()
    user_agent = (piece * 512)[:512]
    started = time.thread_time()
    parse_agent(user_agent, None)
    assert time.thread_time() - started < 0.1


def test_the_native_matcher_is_used() -> None:
    warm_up()
    # Python's own matcher takes some 750 µs for each of these, the native one 20 to 40.
    started = time.thread_time()
    for number in range(200):
        parse_agent(f"{IPHONE} {number}", None)
    assert (time.thread_time() - started) / 200 < 300e-6
