"""What templates can say about values."""

import re
from datetime import datetime

from flask import Flask, request
from markupsafe import Markup

from rybbit.ingest.agent import parse_agent
from rybbit.web.htmx import current_toasts

THEME_COOKIE = "rybbit_theme"
# Control characters, and what marks or overrides the direction of writing or has no width.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
THEMES = ("system", "light", "dark")


def register(app: Flask) -> None:
    """Add the filters and functions of templates, and keep their indentation off the wire."""
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters |= {
        "moment": show_moment,
        "second": show_second,
        "browser": name_browser,
        "seen": make_visible,
    }
    app.jinja_env.globals |= {"current_toasts": current_toasts, "current_theme": current_theme}


def show_moment(moment: datetime | None, otherwise: str = "never") -> Markup | str:
    """A moment in UTC; where there are scripts, they show it in the reader's own time zone."""
    if moment is None:
        return otherwise
    text = f"{moment.day} {moment:%b %Y, %H:%M} UTC"
    return Markup('<time datetime="{}" data-moment>{}</time>').format(f"{moment:%Y-%m-%dT%H:%M:%SZ}", text)


def show_second(moment: datetime) -> Markup:
    """The time of a moment of today to the second, as `show_moment` shows moments."""
    day = f"{moment:%Y-%m-%dT%H:%M:%S}"
    return Markup('<time datetime="{}Z" data-moment="second">{} UTC</time>').format(day, f"{moment:%H:%M:%S}")


def make_visible(text: str) -> str:
    """A text from outside with a sign for each character that cannot be seen but changes what is.

    Line breaks and tabs stay; control characters become their pictures, those that turn the direction of
    writing round their numbers.
    """
    return _UNSEEN.sub(_sign_for, text)


def _sign_for(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else f"<U+{code:04X}>"


def name_browser(user_agent: str) -> str:
    """A browser as its owner knows it, such as "Firefox on Linux"."""
    agent = parse_agent(user_agent, None)
    return " on ".join(filter(None, (agent.browser, agent.operating_system))) or "Unknown browser"


def current_theme() -> str:
    """The colours that were chosen in this browser; "system" for those of the machine."""
    chosen = request.cookies.get(THEME_COOKIE, "")
    return chosen if chosen in THEMES else "system"
