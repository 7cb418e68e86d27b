"""What templates can say about values."""

from datetime import datetime

from flask import Flask, request
from markupsafe import Markup

from rybbit.ingest.agent import parse_agent
from rybbit.web.htmx import current_toasts

THEME_COOKIE = "rybbit_theme"
THEMES = ("system", "light", "dark")


def register(app: Flask) -> None:
    """Add the filters and functions of templates, and keep their indentation off the wire."""
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters |= {"moment": show_moment, "browser": name_browser}
    app.jinja_env.globals |= {"current_toasts": current_toasts, "current_theme": current_theme}


def show_moment(moment: datetime | None, otherwise: str = "never") -> Markup | str:
    """A moment in UTC; where there are scripts, they show it in the reader's own time zone."""
    if moment is None:
        return otherwise
    text = f"{moment.day} {moment:%b %Y, %H:%M} UTC"
    return Markup('<time datetime="{}" data-moment>{}</time>').format(f"{moment:%Y-%m-%dT%H:%M:%SZ}", text)


def name_browser(user_agent: str) -> str:
    """A browser as its owner knows it, such as "Firefox on Linux"."""
    agent = parse_agent(user_agent, None)
    return " on ".join(filter(None, (agent.browser, agent.operating_system))) or "Unknown browser"


def current_theme() -> str:
    """The colours that were chosen in this browser; "system" for those of the machine."""
    chosen = request.cookies.get(THEME_COOKIE, "")
    return chosen if chosen in THEMES else "system"
