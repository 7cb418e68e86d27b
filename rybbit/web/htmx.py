"""Answers for browsers with htmx and without: a part of a page or all of it, and what happened.

A page is a folder of templates: `index.html` includes `_part.html`, and a change made with htmx is answered
with the part alone. Without JavaScript the same form leads to a redirect, and the message is shown on the
page it leads to.
"""

from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from flask import Response, flash, g, get_flashed_messages, make_response, redirect, render_template, request

ToastKind = Literal["success", "error"]

_TOASTS = "toasts"


@dataclass(frozen=True)
class Toast:
    """A short message that is announced and goes away."""

    text: str
    kind: ToastKind = "success"


def is_htmx() -> bool:
    """Whether htmx asks, for a part or a whole page."""
    return "HX-Request-Type" in request.headers


def is_partial() -> bool:
    """Whether a part of the page is asked for; Back and Forward ask for all of it."""
    return request.headers.get("HX-Request-Type") == "partial"


def show(page: str, part: str | None = None, *, status: int = 200, **context: Any) -> Response:
    """Answer with a page, or with its part if only that is asked for.

    Args:
        page: the template of the whole, such as `account/index.html`.
        part: the template of what htmx swaps, such as `account/_name.html`; None if nothing does.
        status: 422 for a form with errors.
    """
    if part is not None and is_partial():
        return _vary(make_response(render_template(part, **context) + render_toasts(), status))
    return _vary(make_response(render_template(page, **context), status))


def show_change(part: str, *, to: str, toast: str, **context: Any) -> Response:
    """Answer a change that succeeded: with the new part, or by leading to the page `to`.

    The toast is part of the answer, or of that page.
    """
    if not is_partial():
        return lead_to(to, toast=toast)
    add_toast(toast)
    return _vary(make_response(render_template(part, **context) + render_toasts()))


def show_nothing() -> Response:
    """Answer htmx that the page stays as it is."""
    return _vary(make_response("", 204))


def lead_to(url: str, *, toast: str | None = None, kind: ToastKind = "success") -> Response:
    """Lead the browser to another page, in a way that does not send the form again."""
    if toast is not None:
        flash(toast, kind)
    if not is_htmx():
        return _vary(make_response(redirect(url, code=303)))
    # Not a redirect: the browser would follow it, and the page be swapped into a part of this one.
    response = make_response("", 204)
    response.headers["HX-Redirect"] = url
    return _vary(response)


def add_toast(text: str, kind: ToastKind = "success") -> None:
    """Announce something with this answer."""
    g.setdefault(_TOASTS, []).append(Toast(text, kind))


def current_toasts() -> list[Toast]:
    """What this answer announces, and what was left for it by the one before."""
    flashed: list[tuple[ToastKind, str]] = get_flashed_messages(with_categories=True)  # type: ignore[assignment]
    left = [Toast(text, kind) for kind, text in flashed]
    return left + list(g.get(_TOASTS, []))


def render_toasts() -> str:
    """The toasts as htmx puts them into their region; "" if there is none."""
    toasts = g.get(_TOASTS, [])
    return render_template("_toasts.html", toasts=toasts) if toasts else ""


def own_path(address: str | None) -> str | None:
    """A path of this server from an address that came with a request; None if it leads elsewhere."""
    if not address or any(ord(letter) <= 32 or letter == "\\" for letter in address):
        return None
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    is_ours = not parts.scheme and not parts.netloc and not address.startswith("//")
    prefix = f"{request.script_root}/"
    return address if is_ours and parts.path.startswith(prefix) and not parts.path.startswith("//") else None


def _vary(response: Response) -> Response:
    response.vary.add("HX-Request-Type")
    return response
