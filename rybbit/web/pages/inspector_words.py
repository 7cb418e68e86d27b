"""What the inspector's rows say in plain words; texts from outside stay as they came, to be escaped later."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from markupsafe import escape

from rybbit.models import Reason
from rybbit.services.countries import COUNTRIES
from rybbit.web.pages.filters import make_visible

_REASONS = {
    Reason.INVALID_KEY: "Wrong key",
    Reason.BOT: "A bot, by its user agent",
    Reason.IP: "An excluded address",
    Reason.COUNTRY: "An excluded country",
    Reason.DUPLICATE: "Stored already: an event with its event_id came before",
    Reason.UNAVAILABLE: "The server could not store it; the sender was asked to try again",
}
_ORIGINS = {
    "missing": "No key, and no Origin that names a page of the site",
    "mismatch": "From a page of another domain",
}
_PAYLOADS = {
    "body": "The body does not fit",
    "content_type": "Sent as something else than JSON",
    "site_id": "Sent together with an event for a site that is not known",
}
# Whose rule is a setting of the site, and worth finding there.
_HAVE_A_RULE = (Reason.IP, Reason.COUNTRY)
_RATE = re.compile(r"Maximum (.+) per (.+) per (?:address|API key)\.")
_SOURCES = {
    "ip_address": "named in the event",
    "host": "named by the app",
    "x-forwarded-for": "from X-Forwarded-For",
}
# What stands around the texts of a row.
_MARKUP_BYTES = 900
_BADGES = {"kept": ("Kept", "good"), "filtered": ("Filtered", "warning"), "refused": ("Refused", "bad")}


@dataclass(frozen=True)
class Entry:
    """A row as it is shown; every text but `badge`, `kind` and `reason` may hold anything.

    `facts` are the names and values that a row shows once it is open. `is_request_left_out` says that
    there is a request, but not here.
    """

    id: str
    time: datetime
    badge: str
    kind: str
    type: str
    what: str
    reason: str
    rule: str
    agent: str
    place: str
    address: str
    address_from: str
    facts: list[tuple[str, str]]
    request: str | None
    request_note: str | None
    is_request_left_out: bool = False

    def weight(self) -> int:
        """About how many bytes it takes on a page without the request."""
        texts = (self.type, self.what, self.reason, self.rule, self.agent, self.place, self.address)
        return _MARKUP_BYTES + sum(map(weigh, texts)) + sum(weigh(value) for _, value in self.facts)


def describe(row: Mapping[str, Any], key_names: Mapping[str, str]) -> Entry:
    """What is said of a row of `InspectorPage`; `key_names` has the names of the site's keys by id."""
    badge, kind = _BADGES[row["outcome"]]
    reason = Reason(row["reason"]) if row["reason"] else None
    origin = row["address_from"]
    return Entry(
        id=row["id"],
        time=datetime.fromisoformat(row["time"]),
        badge=badge,
        kind=kind,
        type=row["type"] or ("pageview" if row["outcome"] == "kept" else ""),
        what=row["event_name"] or row["pathname"],
        reason="" if reason is None else _explain(reason, row["rule"], row["error"]),
        rule=row["rule"] if reason in _HAVE_A_RULE else "",
        agent=_join(
            " · ", _versioned(row, "browser"), _versioned(row, "operating_system"), row["device_type"]
        ),
        place=_join(", ", row["city"], COUNTRIES.get(row["country"], row["country"])),
        address=row["address"],
        address_from=_SOURCES.get(origin["source"], "of the connection") if origin and row["address"] else "",
        facts=[(name, value) for name, value in _facts(row, key_names) if value],
        request=row["request"],
        request_note=row["request_note"],
    )


def weigh(text: str) -> int:
    """How many bytes a text takes on a page; it may be several times as long as what was sent."""
    return len(escape(make_visible(text)).encode())


def _explain(reason: Reason, rule: str, error: str) -> str:
    if reason is Reason.INVALID_PAYLOAD:
        return _PAYLOADS.get(rule, f"The field {rule} does not fit")
    if reason is Reason.FORBIDDEN_FIELD:
        return f"The field {rule} is only taken with a key"
    if reason is Reason.ORIGIN:
        return _ORIGINS.get(rule, "Not from a page of the site")
    if reason is Reason.RATE_LIMIT:
        return _explain_rate(error, "from one address" if rule == "address" else "with one key")
    return _REASONS[reason]


def _explain_rate(error: str, whose: str) -> str:
    rate = _RATE.search(error)
    if rate is None:
        return f"Too many requests {whose}"
    amount, period = rate.groups()
    article = "" if period[0].isdigit() else "an " if period == "hour" else "a "
    return f"More than {amount} {whose} in {article}{period}"


def _facts(row: Mapping[str, Any], key_names: Mapping[str, str]) -> list[tuple[str, str]]:
    origin = row["address_from"] or {}
    key = row["key"] or ""
    return [
        ("Answer", _join(" ", str(row["status"]), row["error"])),
        ("Own time", row["timestamp"] or ""),
        ("Host", row["hostname"]),
        # Else it is what the row is called.
        ("Path", row["pathname"] if row["event_name"] else ""),
        ("Rule", row["rule"] if row["rule"] not in (key, "address") else ""),
        ("Region", row["region"]),
        ("Key", key_names.get(key, "One that is gone") if key else ""),
        ("Why this address", row["address_why"]),
        ("Connection from", origin.get("peer", "")),
        ("X-Forwarded-For", origin.get("forwarded_for", "")),
        ("User agent", row["user_agent"] or ""),
    ]


def _versioned(row: Mapping[str, Any], name: str) -> str:
    return _join(" ", row[name], row[f"{name}_version"]) if row[name] else ""


def _join(separator: str, *parts: str) -> str:
    return separator.join(filter(None, parts))
