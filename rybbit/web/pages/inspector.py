"""The event inspector: the live stream of what reaches a site, kept and not kept."""

from bisect import bisect_right
from dataclasses import replace
from itertools import accumulate
from typing import Any

from flask import Blueprint, Response, request, url_for

from rybbit.errors import NotFound
from rybbit.models import Site
from rybbit.services import keys
from rybbit.stats.inspector import InspectorPage, inspector_page
from rybbit.web.access import current_runtime
from rybbit.web.htmx import is_partial, show, show_nothing
from rybbit.web.pages.guards import current_site
from rybbit.web.pages.inspector_words import Entry, describe, weigh

blueprint = Blueprint("inspector", __name__, url_prefix="/inspector")

# What can be asked for, by the word in the address.
_SHOWN = {"": "Everything", "kept": "Kept", "lost": "Not kept"}
# A page is as light as others with these many, if what was sent is not too long; what comes between two looks
# may be more.
_ROWS = 30
_ROOM_BYTES = 64 * 1024
_NEWS = 200
# Everything that is held.
_MOST = 1_000


@blueprint.get("")
def index() -> Response:
    """The newest rows, with `all` the whole hour; for htmx, only what came after the cursor `since`."""
    site, shown = current_site(), _asked_for()
    # A whole page shows all there is, whatever its address says.
    since = request.args.get("since") if is_partial() else None
    most = _most_rows()
    page = _look(site, since, limit=_MOST if shown else min(most + 1, _MOST))
    rows = [row for row in page.rows if _is_shown(row, shown)]
    entries = _entries(site, rows[:most])
    if most == _ROWS:
        entries = _fitting(entries)
    if is_partial() and page.cursor == since and not entries:
        return show_nothing()
    return show(
        "inspector/index.html",
        "inspector/_news.html",
        entries=entries,
        cursor=page.cursor,
        shown=shown,
        filters=[(_address(word), name) for word, name in _SHOWN.items()],
        here=_address(shown),
        whole_hour=url_for(".index", show=shown or None, all=1) if len(rows) > len(entries) else None,
        most_rows=max(most, _NEWS),
        track_url=f"{(current_runtime().config.base_url or request.url_root).rstrip('/')}/api/track",
    )


@blueprint.get("/<entry>")
def alone(entry: str) -> Response:
    """One row with all that is known of it, while it lives."""
    site = current_site()
    found = [row for row in _look(site, None, limit=_MOST).rows if row["id"] == entry]
    if not found:
        raise NotFound("What came is shown for an hour; this is not here, or not any more")
    return show("inspector/alone.html", entries=_entries(site, found))


def _asked_for() -> str:
    asked = request.args.get("show", "")
    return asked if asked in _SHOWN else ""


def _address(shown: str) -> str:
    return url_for(".index", show=shown or None)


def _look(site: Site, since: str | None, *, limit: int) -> InspectorPage:
    """What came; all of it where only some outcomes are asked for, which others would hide."""
    runtime = current_runtime()
    # What this very process was sent a moment ago is looked for first.
    runtime.inspector.flush()
    return inspector_page(
        runtime.store,
        runtime.unkept,
        site.site_id,
        limit=limit,
        since=since,
        with_addresses=site.track_ip,
    )


def _entries(site: Site, rows: list[dict[str, Any]]) -> list[Entry]:
    names = {key.id: key.name for key in keys.list_keys(site)} if any(row["key"] for row in rows) else {}
    return [describe(row, names) for row in rows]


def _fitting(entries: list[Entry]) -> list[Entry]:
    """What a page has room for: of long rows the newest, then the requests of the newest."""
    taken = list(accumulate(entry.weight() for entry in entries))
    count = max(1, bisect_right(taken, _ROOM_BYTES))
    room = _ROOM_BYTES - max(taken[:count], default=0)
    fitting = []
    for entry in entries[:count]:
        size = weigh(entry.request or "")
        if size > room:
            fitting.append(replace(entry, request=None, is_request_left_out=True))
            continue
        room -= size
        fitting.append(entry)
    return fitting


def _most_rows() -> int:
    if is_partial():
        return _NEWS
    return _MOST if "all" in request.args else _ROWS


def _is_shown(row: dict[str, Any], shown: str) -> bool:
    return not shown or (row["outcome"] == "kept") == (shown == "kept")
