"""What becomes of events that are not kept: they are counted, and shown in the inspector for an hour."""

import logging
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple, Protocol

from rybbit.errors import Unavailable
from rybbit.ingest.answers import Filtered, Refused
from rybbit.ingest.credential import Admission
from rybbit.ingest.directory import SiteDirectory, TrackedSite
from rybbit.ingest.drops import DropCounter
from rybbit.ingest.enrich import Client
from rybbit.ingest.payload import Event, InvalidPayload, sketch_of
from rybbit.ingest.request import TrackRequest
from rybbit.models import Reason

logger = logging.getLogger(__name__)

BODY_BYTES = 8192
_NOTHING: Mapping[str, str] = MappingProxyType({})
_FIELDS = frozenset(field.alias or name for name, field in Event.model_fields.items())


class Source(NamedTuple):
    """Where events came from: an HTTP request, or the host app's own code on behalf of a client."""

    received_ms: int
    request: TrackRequest | None
    client: Client | None = None
    is_batch: bool = False


class Loss(NamedTuple):
    """An event that was not kept, with what is needed to tell about it.

    There is an `event` where the payload was good, else `sent` and, of a batch, `item`. The body of the
    request is cut to `BODY_BYTES`; then `size` is how long it was.
    """

    site: TrackedSite
    source: Source
    reason: Reason
    rule: str
    status: int
    error: str
    event: Event | None = None
    sent: Mapping[str, str] = _NOTHING
    item: bytes = b""
    key_id: str | None = None
    size: int = 0


class Watcher(Protocol):
    """Shows losses to the people of a site."""

    def add(self, loss: Loss) -> None:
        """Take one loss in; fast, and never an error."""


class Losses:
    """Counts every event that is not kept, and hands it to the watcher."""

    def __init__(self, directory: SiteDirectory, drops: DropCounter, watcher: Watcher) -> None:
        self._directory = directory
        self._drops = drops
        self._watcher = watcher

    def add_invalid(self, error: InvalidPayload, source: Source) -> None:
        """An event that does not fit the schema, if its site can be told."""
        site = self._find(error.site_id)
        if site is not None:
            rule = _first_field(error)
            told = f"Invalid payload: {error}"
            loss = Loss(site, source, Reason.INVALID_PAYLOAD, rule, 400, told, sent=error.sent)
            self._add(loss._replace(item=error.item))

    def add_wrong_type(self, refusal: Refused, source: Source) -> None:
        """A body that says to be something else than JSON, if its site can be told all the same."""
        site_id, sent = sketch_of(source.request.body) if source.request else (None, _NOTHING)
        site = self._find(site_id)
        if site is not None:
            reason, rule = Reason.INVALID_PAYLOAD, "content_type"
            self._add(Loss(site, source, reason, rule, refusal.status, refusal.error, sent=sent))

    def add_refused(self, refusal: Refused, event: Event, source: Source, key_id: str | None = None) -> None:
        """An event that is not let in, if it belongs to a site."""
        if refusal.site_id is None or refusal.reason is None:
            return
        site = self._find(event.site_id)
        if site is not None:
            self._add_refused(refusal, event, source, site, key_id)

    def add_refused_batch(
        self, items: list[Event | InvalidPayload], refusal: Refused, source: Source
    ) -> None:
        """Every event of a batch that is refused whole, for whichever site it was meant."""
        for item in items:
            if isinstance(item, InvalidPayload):
                self.add_invalid(item, source)
            elif (site := self._find(item.site_id)) is not None:
                self._add_refused(refusal, item, source, site, None)

    def add_filtered(self, item: Filtered, event: Event, admission: Admission, source: Source) -> None:
        """An event that a rule of the site keeps out."""
        self._add(
            Loss(admission.site, source, item.reason, item.rule, 200, "", event, key_id=admission.key_id)
        )

    def add_unstored(
        self, reason: Reason, event: Event, admission: Admission, source: Source, error: str = ""
    ) -> None:
        """An event that is stored already, or that cannot be stored."""
        status = 503 if error else 200
        self._add(Loss(admission.site, source, reason, "", status, error, event, key_id=admission.key_id))

    def _add_refused(
        self, refusal: Refused, event: Event, source: Source, site: TrackedSite, key_id: str | None
    ) -> None:
        reason, rule = refusal.reason, refusal.rule
        if reason is None:
            # A site was named that does not exist; the events for others are lost with it.
            reason, rule = Reason.INVALID_PAYLOAD, "site_id"
        if reason is Reason.RATE_LIMIT and rule != "address":
            key_id = rule
        self._add(Loss(site, source, reason, rule, refusal.status, refusal.error, event, key_id=key_id))

    def _add(self, loss: Loss) -> None:
        self._drops.add(loss.site.site_id, loss.reason, loss.rule)
        request = loss.source.request
        if request is not None and (loss.source.is_batch or len(request.body) > BODY_BYTES):
            loss = _cut(loss, request)
        self._watcher.add(loss)

    def _find(self, site_id: str | None) -> TrackedSite | None:
        if site_id is None:
            return None
        try:
            return self._directory.find_site(site_id)
        except Unavailable:
            logger.warning("A refused event is in no site's count: the control database does not answer")
            return None


def _cut(loss: Loss, request: TrackRequest) -> Loss:
    """The loss without what is not shown of its request: of a batch each event is shown for itself."""
    is_single = not loss.source.is_batch or (loss.event is None and not loss.item)
    body = request.body[:BODY_BYTES] if is_single else b""
    source = loss.source._replace(request=request._replace(body=body))
    return loss._replace(source=source, size=len(request.body))


def _first_field(error: InvalidPayload) -> str:
    """The first wrong field; names that are not ours would make a count for every typo in the world."""
    return next((name for name in error.field_errors if name in _FIELDS), "body")
