"""Browser, operating system and kind of device of an event, from its user agent and screen width."""

from bisect import bisect_right
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from itertools import takewhile

from ua_parser import BestAvailableResolver, Parser, load_lazy_builtins
from user_agents.parsers import (
    TABLET_DEVICE_FAMILIES,
    Browser,
    Device,
    OperatingSystem,
    UserAgent,
)

_LONGEST = 512
_LONGEST_PART = 64
"""Names and versions are cut out of hostile text, and no true one is longer."""

_DESKTOP, _MOBILE, _TABLET = "Desktop", "Mobile", "Tablet"

_WIDTH_LIMITS = (600, 1100)
"""Logical pixels. Below the first a telephone held upright (Android calls devices tablets from 600);
below the second a tablet (the widest iPad says 1032, whichever way it is held); from there on a desk."""

_DeviceTypes = tuple[str, str, str, str]
"""The device type without a screen width, and with one in each of the three bands."""

_ALWAYS_DESKTOP: _DeviceTypes = (_DESKTOP,) * 4
_ALWAYS_MOBILE: _DeviceTypes = (_MOBILE,) * 4
_ALWAYS_TABLET: _DeviceTypes = (_TABLET,) * 4
_TABLET_UNLESS_NARROW: _DeviceTypes = (_TABLET, _MOBILE, _TABLET, _TABLET)
_MOBILE_UNLESS_WIDE: _DeviceTypes = (_MOBILE, _MOBILE, _TABLET, _TABLET)
_DESKTOP_IF_WIDE: _DeviceTypes = (_DESKTOP, _MOBILE, _TABLET, _DESKTOP)
_BY_WIDTH_ALONE: _DeviceTypes = ("", _MOBILE, _TABLET, _DESKTOP)

_BROWSER_NAMES = {
    "Other": "",
    "Chrome Mobile": "Mobile Chrome",
    "Chrome Mobile iOS": "Mobile Chrome",
    "Chrome Mobile WebView": "Chrome WebView",
    "Edge Mobile": "Edge",
    "Firefox Mobile": "Mobile Firefox",
    "Firefox iOS": "Mobile Firefox",
    "HeadlessChrome": "Chrome Headless",
    "Mobile Safari UI/WKWebView": "WebKit",
}
_SYSTEM_NAMES = {"Other": "", "Mac OS X": "macOS", "Web0S": "webOS"}
"""ua-parser's names where those that Rybbit's clients and exports know are others."""


@dataclass(frozen=True, slots=True)
class Agent:
    """What a user agent says; every part is "" where it says nothing.

    `browser_version` is the major version ("126"), `operating_system_version` the first two parts
    ("14.5", "10"): finer ones only scatter the counts. `device_type` is Desktop, Mobile or Tablet.
    """

    browser: str
    browser_version: str
    operating_system: str
    operating_system_version: str
    device_type: str

    def columns(self) -> dict[str, str]:
        """The columns of an event that hold it."""
        return {
            "browser": self.browser,
            "browser_version": self.browser_version,
            "operating_system": self.operating_system,
            "operating_system_version": self.operating_system_version,
            "device_type": self.device_type,
        }


class _Parsed(UserAgent):  # type: ignore[misc]  # user-agents carries no types
    """The device rules of user-agents over ua-parser's native matcher.

    user-agents itself asks ua-parser's old interface, which tries a thousand expressions of Python's
    `re` in turn: 750 µs a user agent, against 20 µs, and no bound on what a hostile one costs.
    """

    def __init__(self, text: str) -> None:
        result = _parser().parse(text)
        browser, system, device = result.user_agent, result.os, result.device
        self.ua_string = text
        self.browser = Browser("Other", (), "")
        self.os = OperatingSystem("Other", (), "")
        self.device = Device("Other", None, None)
        if browser:
            self.browser = Browser(browser.family, (), _join_version(browser.major))
        if system:
            self.os = OperatingSystem(system.family, (), _join_version(system.major, system.minor))
        if device:
            self.device = Device(device.family, device.brand, device.model)


def parse_agent(user_agent: str | None, screen_width: int | None) -> Agent:
    """What is known of the program and device behind a user agent (its first 512 characters).

    The screen width, in logical pixels, decides the device type only where the user agent does not:
    Safari that claims a Mac (iPads do, and iPhones asking for desktop pages), a browser that claims
    a Linux desktop (Android tablets do), Android without "Mobile", and programs nobody knows. Without
    a width such a claim is believed, Android without "Mobile" is a tablet, and the rest is "".
    """
    types = _read((user_agent or "")[:_LONGEST])
    return types[0 if screen_width is None else 1 + bisect_right(_WIDTH_LIMITS, screen_width)]


def warm_up() -> None:
    """Build the matcher now (about 150 ms), not during the first event."""
    _parser()


@cache
def _parser() -> Parser:
    # One of our own: ua-parser's global one has a second cache, and belongs to the host as much as to us.
    return Parser(BestAvailableResolver(load_lazy_builtins()))


@lru_cache(maxsize=10_000)
def _read(text: str) -> tuple[Agent, ...]:
    """The agent for each of the widths of `_DeviceTypes`."""
    # The matcher takes neither lone surrogates nor do the stores take NUL.
    text = text.encode("utf-8", "replace").decode().replace("\0", "")
    if not text.strip():
        parsed_agent = Agent("", "", "", "", "")
        types = _BY_WIDTH_ALONE
    else:
        parsed = _Parsed(text)
        parsed_agent = _describe(parsed)
        types = _device_types(parsed)
    variants = {kind: replace(parsed_agent, device_type=kind) for kind in set(types)}
    return tuple(variants[kind] for kind in types)


def _describe(parsed: _Parsed) -> Agent:
    browser, system = parsed.browser, parsed.os
    return Agent(
        browser=_BROWSER_NAMES.get(browser.family, browser.family)[:_LONGEST_PART],
        browser_version=browser.version_string,
        operating_system=_SYSTEM_NAMES.get(system.family, system.family)[:_LONGEST_PART],
        operating_system_version=system.version_string,
        device_type="",
    )


def _device_types(parsed: _Parsed) -> _DeviceTypes:
    text = parsed.ua_string
    if parsed.device.family in TABLET_DEVICE_FAMILIES or parsed.device.family == "Generic Tablet":
        return _ALWAYS_TABLET
    if parsed.is_mobile:
        # Apple's mobile browsers claim a Mac when they ask for desktop pages, as iPads do by default.
        return _TABLET_UNLESS_NARROW if "Macintosh" in text else _ALWAYS_MOBILE
    if parsed.os.family == "Android":
        # Only browsers keep to the convention that a telephone says "Mobile".
        return _TABLET_UNLESS_NARROW if "AppleWebKit" in text else _MOBILE_UNLESS_WIDE
    if parsed.is_tablet:
        return _ALWAYS_TABLET
    if parsed.is_pc:
        doubtful = parsed.browser.family == "Safari" or "X11; Linux" in text
        return _DESKTOP_IF_WIDE if doubtful else _ALWAYS_DESKTOP
    return _BY_WIDTH_ALONE


def _join_version(*parts: str | None) -> str:
    return ".".join(takewhile(bool, (part or "" for part in parts)))[:_LONGEST_PART]
