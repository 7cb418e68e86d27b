"""Refusals as people see them: a page, or a toast where htmx asked for a part of one."""

import logging
from http import HTTPStatus

from flask import Response, make_response, render_template

from rybbit.errors import ConfigurationError
from rybbit.web.htmx import add_toast, is_partial, render_toasts

logger = logging.getLogger(__name__)

_TEXTS = {
    400: ("That did not work", "Something in the request was not understood."),
    403: ("You may not do that", "Ask an owner or admin of the organization."),
    404: ("There is nothing here", "The address is wrong, or the page is for others."),
    405: ("That did not work", "This address does not take that kind of request."),
    409: ("That contradicts something", "Look at the page again, and try once more."),
    413: ("That is too large", "Send less at once."),
    429: ("Too many attempts", "Wait a while, then try again."),
    500: ("Something is broken here", "It is the server's fault, and was noted in its log."),
    503: ("The server is busy", "Nothing was changed. Try again in a moment."),
}


def show_error(status: int, reason: str = "", *, retry_after: int | None = None) -> Response:
    """A refusal, with what it is about if that says more than its status."""
    title, advice = _TEXTS.get(status, (HTTPStatus(status).phrase, ""))
    text = advice if reason in ("", HTTPStatus(status).phrase) else reason
    if is_partial():
        # Only the toast: what is on the page stays, with what was typed into it.
        add_toast(text or title, "error")
        response = make_response(render_toasts(), status)
    else:
        response = _show_page(status, title, text)
    response.vary.add("HX-Request-Type")
    response.headers["Cache-Control"] = "no-store"
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    return response


def _show_page(status: int, title: str, text: str) -> Response:
    # What services say to programs has no full stop.
    text = text if not text or text.endswith((".", "?", "!")) else f"{text}."
    try:
        return make_response(
            render_template("error/index.html", status=status, title=title, text=text), status
        )
    except ConfigurationError as error:
        # There is no style sheet to show a page with, which may be what went wrong in the first place.
        logger.error("%s", error)  # the traceback says no more
        return make_response(f"{title}. {text}\n{error}\n", status, {"Content-Type": "text/plain"})
