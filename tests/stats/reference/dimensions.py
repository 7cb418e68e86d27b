"""What events and visits can be told apart by."""

import json
from typing import Any

from tests.stats.reference.asked import Event, Events, pageviews, text

VISITOR = (
    *("browser", "browser_version", "operating_system", "operating_system_version", "language"),
    *("country", "region", "city", "device_type", "dimensions", "timezone", "user_id", "lat", "lon"),
)
"""What is true of who visits."""

PAGE = ("hostname", "pathname", "page_title", "querystring")
"""What is true of a page; beside these `url_param:NAME`."""

UTM = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
VISIT = ("channel", "referrer", *UTM, "entry_page", "exit_page")
"""What is true of a visit as a whole."""

NUMBERS = ("lat", "lon")
_PARAMETER = "url_param:"
_UNTOLD_CHANNELS = ("", "Direct", "Internal")


def is_page(name: str) -> bool:
    """Whether a dimension tells pages apart."""
    return name in PAGE or name.startswith(_PARAMETER)


def shown_user(event: Event) -> str:
    """The name of a visitor, or what stands for one who has none."""
    return text(event, "user_id") or f"{event['user_hash'] % 2**64:016x}"


def event_value(event: Event, name: str) -> str | float | None:
    """The value of a dimension for an event: a text, "" without; for `lat` and `lon` a number or None."""
    if name in NUMBERS:
        number = event.get(name)
        return None if number is None else float(number)
    if name == "user_id":
        return shown_user(event)
    if name == "dimensions":
        sides = event.get("screen_width"), event.get("screen_height")
        return "" if None in sides else "{}x{}".format(*sides)
    if name.startswith(_PARAMETER):
        return str(url_parameters(event).get(name.removeprefix(_PARAMETER), ""))
    return text(event, name)


def url_parameters(event: Event) -> dict[str, Any]:
    """All parameters of the page's URL; of those that have columns of their own, what these hold."""
    parameters = json.loads(event.get("url_parameters") or "{}")
    return parameters | {name: event[name] for name in UTM if event.get(name)}


def first_text(events: Events, column: str) -> str:
    """The text of the first event that has one in this column, "" if none has."""
    return next((each[column] for each in events if each.get(column)), "")


def channel(visit: Events) -> str:
    """How a visit came: what its first event with a telling channel says, else its first with any."""
    for each in visit:
        if text(each, "channel") not in _UNTOLD_CHANNELS:
            return text(each, "channel")
    return first_text(visit, "channel")


def entry_page(visit: Events) -> str:
    """The path of a visit's first pageview that has one."""
    return first_text(pageviews(visit), "pathname")


def exit_page(visit: Events) -> str:
    """The path of a visit's last pageview that has one."""
    return first_text(pageviews(visit)[::-1], "pathname")


def visit_value(visit: Events, name: str) -> str:
    """The value of a dimension for a visit, given all its events within the period in their order."""
    if name == "channel":
        return channel(visit)
    if name == "entry_page":
        return entry_page(visit)
    if name == "exit_page":
        return exit_page(visit)
    return first_text(visit, "referrer_domain" if name == "referrer" else name)
