"""The event inspector: the live stream of what reaches a site, kept and not kept."""

from typing import Any

from flask import Blueprint, Response, request, url_for

from rybbit.models import Site
from rybbit.services import keys
from rybbit.stats.inspector import InspectorPage, inspector_page
from rybbit.web.access import current_runtime
from rybbit.web.htmx import is_partial, show, show_nothing
from rybbit.web.pages.guards import current_site
from rybbit.web.pages.inspector_words import Entry, describe

blueprint = Blueprint("inspector", __name__, url_prefix="/inspector")

# What can be asked for, by the word in the address.
_SHOWN = {"": "Everything", "kept": "Kept", "lost": "Not kept"}
# A page is as light as others with these many; what comes between two looks may be more.
_ROWS = 30
_NEWS = 100
# Everything that is held.
_MOST = 1_000


@blueprint.get("")
def index() -> Response:
    """The newest rows; for htmx, only those that came after the cursor `since`."""
    site, shown = current_site(), _asked_for()
    # A whole page shows all there is, whatever its address says.
    since = request.args.get("since") if is_partial() else None
    page = _look(site, shown, since)
    entries = _entries(site, page, shown)
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
        track_url=f"{(current_runtime().config.base_url or request.url_root).rstrip('/')}/api/track",
    )


def _asked_for() -> str:
    asked = request.args.get("show", "")
    return asked if asked in _SHOWN else ""


def _address(shown: str) -> str:
    return url_for(".index", show=shown or None)


def _look(site: Site, shown: str, since: str | None) -> InspectorPage:
    runtime = current_runtime()
    # What this very process was sent a moment ago is looked for first.
    runtime.inspector.flush()
    return inspector_page(
        runtime.store,
        runtime.unkept,
        site.site_id,
        # Else a thousand kept events would hide the one refused, of which only those are asked for.
        limit=_MOST if shown else _most_rows(),
        since=since,
        with_addresses=site.track_ip,
    )


def _entries(site: Site, page: InspectorPage, shown: str) -> list[Entry]:
    rows = [row for row in page.rows if _is_shown(row, shown)][: _most_rows()]
    names = {key.id: key.name for key in keys.list_keys(site)} if any(row["key"] for row in rows) else {}
    return [describe(row, names) for row in rows]


def _most_rows() -> int:
    return _NEWS if is_partial() else _ROWS


def _is_shown(row: dict[str, Any], shown: str) -> bool:
    return not shown or (row["outcome"] == "kept") == (shown == "kept")
