"""The audit log, as the API shows it."""

from typing import Any

from flask import Response

from rybbit.models import AuditEntry
from rybbit.web.api.answers import whole_number
from rybbit.web.api.description import shown
from rybbit.web.api.site_models import AuditAnswer, AuditRow

AUDIT_QUERY: dict[str, dict[str, Any]] = {
    "limit": whole_number(1, 1000, default=100),
    "before": whole_number(1, 2**31 - 1),
}
"""The query parameters of a page of the log."""


def show_entries(entries: list[AuditEntry], limit: int) -> Response:
    """A page of the log, and what the next one is asked with."""
    rows = [AuditRow.model_validate(entry) for entry in entries]
    return shown(AuditAnswer(data=rows, before=rows[-1].id if len(rows) == limit else None))
