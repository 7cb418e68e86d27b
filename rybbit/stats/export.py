"""The events of a question as a file."""

import re

from rybbit import clock
from rybbit.stats.dimensions import SHOWN_USER
from rybbit.stats.question import Question
from rybbit.store.base import EventStore
from rybbit.store.event import COLUMNS, Kind
from rybbit.store.export import ByteStream, Form, Output, Selection
from rybbit.store.visit import TAGS

__all__ = ["EXPORTED", "FORMS", "Form", "export_events", "file_name"]

_KINDS = {column.name: column.kind for column in COLUMNS}
# Ids are text, since they have more digits than spreadsheets and JavaScript keep. `user_id` is as everywhere,
# `visitor_id` the number that stands for the visitor also where somebody gave a name.
_MADE = {
    "session_id": "cast(session_id as varchar)",
    "user_id": SHOWN_USER,
    "visitor_id": "hex_id(user_hash)",
    "event_id": "coalesce(event_id, hex_id(id))",
}
EXPORTED = (
    *("timestamp", "type", "event_name", "properties", "session_id", "user_id", "visitor_id", "event_id"),
    *("hostname", "pathname", "querystring", "page_title", "referrer", "referrer_domain", "channel"),
    *TAGS,
    *("browser", "browser_version", "operating_system", "operating_system_version", "device_type"),
    *("language", "country", "region", "city", "timezone", "lat", "lon", "screen_width", "screen_height"),
    *("lcp", "cls", "inp", "fcp", "ttfb"),
)
"""The columns in their order; `ip` comes last for those who may see it."""

FORMS = {
    Form.CSV: ("text/csv; charset=utf-8", ".csv"),
    Form.JSONL: ("application/x-ndjson", ".jsonl"),
    Form.PARQUET: ("application/vnd.apache.parquet", ".parquet"),
}
"""Content type and end of the file name of each format."""


def export_events(
    store: EventStore, question: Question, form: Form, *, with_addresses: bool = False
) -> ByteStream:
    """The events that match, piece by piece and in no promised order; to be closed by the caller.

    A question about single events: whether a filter on pages chooses visits makes no difference here.
    """
    condition, parameters, scope = question.bound("{events}")
    names = (*EXPORTED, "ip") if with_addresses else EXPORTED
    outputs = [Output(name, _MADE.get(name, name), _kind(name)) for name in names]
    return store.export(Selection(outputs, condition, parameters, scope), form)


def file_name(domain: str, question: Question, form: Form) -> str:
    """A name that is safe in a header and on every file system: site, days (UTC) and format."""
    bounds = (question.period.start_ms, question.period.end_ms)
    days = [clock.from_ms(at).strftime("%Y%m%d") for at in bounds if at is not None]
    words = [re.sub(r"[^A-Za-z0-9.-]", "_", domain).strip(".") or "site", *days]
    return "-".join(words) + FORMS[form][1]


def _kind(name: str) -> Kind:
    return Kind.TEXT if name in _MADE else _KINDS[name]
