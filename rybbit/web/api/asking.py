"""What the statistics routes have in common: who may read, what is asked, and of which store."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec, TypeVar

from flask import Response, jsonify, request

from rybbit.errors import InvalidInput
from rybbit.models import Scope, Site
from rybbit.stats.buckets import Bucket, parse_bucket
from rybbit.stats.page import Page
from rybbit.stats.period import Period
from rybbit.stats.question import Question, parse_question
from rybbit.web import params
from rybbit.web.access import current_runtime, readable_site

_Given = ParamSpec("_Given")
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that somebody may ask."""

    site: Site
    question: Question

    def over(self, period: Period) -> "Asked":
        """The same of another time."""
        return Asked(self.site, self.question.over(period))

    def answer(
        self,
        statistic: Callable[Concatenate[Any, Question, _Given], _Answer],
        *arguments: _Given.args,
        **named: _Given.kwargs,
    ) -> _Answer:
        """What one of the functions in `stats` says to it."""
        return statistic(current_runtime().store, self.question, *arguments, **named)


def asked(site_id: str, *further: Scope) -> Asked:
    """The question of a request, if the caller may ask it; who asks is judged before what is asked.

    Raises:
        Unauthorized, NotFound, InsufficientScope, TooManyRequests: as `access.readable_site`.
        InvalidInput: the period or the filters are malformed.
    """
    site = readable_site(site_id, Scope.STATS_READ, *further)
    return Asked(site, parse_question(current_runtime().store, site.site_id, request.args))


def refuse_filters() -> None:
    """Refuse filters where there are none, rather than answer another question than the one asked.

    Raises:
        InvalidInput: there are filters.
    """
    if (params.optional_text("filters") or "[]").strip() != "[]":
        raise InvalidInput({"filters": ["This knows no filters"]})


def bucket(default: Bucket = Bucket.DAY) -> Bucket:
    """The length of the buckets that the request asks for.

    Raises:
        InvalidInput: there is no such length.
    """
    return parse_bucket(params.optional_text("bucket") or default)


def rows(data: Any) -> Response:
    """The answer of rows, or of one thing."""
    return jsonify({"data": data})


def page(found: Page) -> Response:
    """The answer of one page of rows, and how many there are on all pages together."""
    return jsonify({"data": {"data": found.rows, "totalCount": found.total}})


def limit(default: int = 100, *, most: int = 1000) -> int:
    """How many rows the request asks for."""
    return params.whole_number("limit", "page_size", default=default, least=1, most=most)


def page_number() -> int:
    """Which page the request asks for, from 1."""
    return params.whole_number("page", default=1, least=1, most=1_000_000)
