"""The events of a site as a file."""

from flask import Blueprint, Response, request

from rybbit.models import Scope
from rybbit.stats.export import FORMS, Form, export_events, file_name
from rybbit.stats.question import parse_question
from rybbit.web import params
from rybbit.web.access import current_runtime, member_site
from rybbit.web.api.answers import EXPORT_QUERY
from rybbit.web.api.description import Done, describe

blueprint = Blueprint("export", __name__, url_prefix="/api/sites/<site_id>")


@blueprint.get("/export")
@describe(
    "Events as a file",
    answer=Done,
    scope=Scope.STATS_READ,
    query=EXPORT_QUERY,
    files=tuple(kind for kind, _ in FORMS.values()),
    details="Every event of the period that matches, as CSV, JSON lines or Parquet, in no promised order;"
    " only for members. `ip` is there where the site keeps addresses. In CSV a text that begins with `=`,"
    " `+`, `-`, `@`, a tab, a carriage return or an apostrophe has an apostrophe before it, lest a"
    " spreadsheet takes it for a formula; take one off to read what was stored.",
)
def site_export(site_id: str) -> Response:
    """The events that match, streamed; for members."""
    site = member_site(site_id, scope=Scope.STATS_READ)
    store = current_runtime().store
    form = Form(params.choice("format", tuple(Form), default=Form.CSV))
    question = parse_question(store, site.site_id, request.args)
    answer = Response(content_type=FORMS[form][0])
    if request.method != "HEAD":
        answer.response = export_events(store, question, form, with_addresses=site.track_ip)
    answer.headers.set("Content-Disposition", "attachment", filename=file_name(site.domain, question, form))
    return answer
