"""What a sender is told, apart from how HTTP carries it."""

from dataclasses import dataclass
from typing import Any

from rybbit.errors import RybbitError
from rybbit.models import Reason


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and JSON body of an answer; `retry_after` in seconds, 0 for none."""

    status: int
    body: dict[str, Any]
    retry_after: int = 0


ACCEPTED = Answer(200, {"success": True})


class Refused(RybbitError):
    """A request that is not let in: who sends it has to change something, or wait.

    `site_id` is the site whose drop counts it belongs to, None if there is none.
    """

    def __init__(
        self,
        status: int,
        error: str,
        *,
        reason: Reason | None = None,
        rule: str = "",
        site_id: int | None = None,
        retry_after: int = 0,
        details: object = None,
    ) -> None:
        super().__init__(error)
        self.status = status
        self.error = error
        self.reason = reason
        self.rule = rule
        self.site_id = site_id
        self.retry_after = retry_after
        self.details = details

    def answer(self) -> Answer:
        """The refusal as the sender sees it."""
        body: dict[str, Any] = {"success": False, "error": self.error}
        if self.details is not None:
            body["details"] = self.details
        return Answer(self.status, body, self.retry_after)


@dataclass(frozen=True, slots=True)
class Filtered:
    """An event that a rule of the site's owner keeps out; its sender did nothing wrong."""

    reason: Reason
    rule: str

    def answer(self) -> Answer:
        """The acknowledgement, which says that nothing was tracked and why."""
        return Answer(200, {"success": True, "message": f"Event not tracked - {_MESSAGES[self.reason]}"})


_MESSAGES = {
    Reason.BOT: "bot detected",
    Reason.IP: "IP excluded",
    Reason.COUNTRY: "country excluded",
}
