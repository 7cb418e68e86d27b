"""The write path as one function: a request goes in, an answer comes out, the event is on disk.

payload -> credential -> limit -> bots -> exclusions -> agent, geo, channel -> visitor -> journal
"""

import logging
from collections import Counter
from collections.abc import Callable
from typing import Any

from rybbit import clock
from rybbit.errors import NotFound, Unavailable
from rybbit.ingest.answers import ACCEPTED, Answer, Filtered, Refused
from rybbit.ingest.bots import is_bot
from rybbit.ingest.credential import Admission, Gate, check_fields, token_of
from rybbit.ingest.directory import SiteDirectory
from rybbit.ingest.drops import DropCounter
from rybbit.ingest.enrich import Client, Enricher
from rybbit.ingest.payload import Batch, Event, InvalidPayload, parse_batch, parse_event, validate_event
from rybbit.ingest.request import TrackRequest, TrustedProxies
from rybbit.models import Reason
from rybbit.store.journal import Entry, Journal

logger = logging.getLogger(__name__)

# Stands where an HTTP request has the id of its key.
_IN_PROCESS = "in-process"
_CONTENT_TYPES = ("application/json", "text/plain")
_FIELDS = frozenset(field.alias or name for name, field in Event.model_fields.items())
_Item = Entry | Filtered


class Pipeline:
    """Takes events in for one process; safe for any number of threads."""

    def __init__(
        self,
        directory: SiteDirectory,
        gate: Gate,
        enricher: Enricher,
        journal: Journal,
        drops: DropCounter,
        proxies: TrustedProxies,
    ) -> None:
        self._directory = directory
        self._gate = gate
        self._enricher = enricher
        self._journal = journal
        self._drops = drops
        self._proxies = proxies

    def receive(self, request: TrackRequest) -> Answer:
        """Answer `POST /api/track`: one event, stored durably if the answer is a plain success."""
        return self._answered(self._receive_event, request)

    def receive_batch(self, request: TrackRequest) -> Answer:
        """Answer `POST /api/track/batch`: the good events are stored all or none."""
        return self._answered(self._receive_batch, request)

    def track(self, data: dict[str, Any], *, site: str, address: str, user_agent: str) -> bool:
        """Store an event of this process itself, under the names of the HTTP API.

        No key, no limit, no domain and no bot filter stand before it. Answers whether it was stored:
        not when the site excludes it, when it is a double, or when it cannot be stored now (logged).

        Raises:
            InvalidPayload: a field is wrong.
            NotFound: there is no such site.
        """
        now_ms = clock.now_ms()
        event = validate_event({**data, "site_id": site}, now_ms=now_ms)
        try:
            tracked = self._directory.find_site(event.site_id)
            if tracked is None:
                raise NotFound("Site not found")
            item = self._prepare(event, Admission(tracked, _IN_PROCESS), Client(address, user_agent), now_ms)
            return isinstance(item, Entry) and self._store(item)
        except Unavailable as error:
            logger.error("An event of the host app is lost: %s", error)
            return False

    def _answered(self, handle: Callable[[TrackRequest], Answer], request: TrackRequest) -> Answer:
        """The one place where what is raised below becomes an answer."""
        try:
            _check_content_type(request.content_type)
            return handle(request)
        except InvalidPayload as error:
            self._count_invalid(error)
            return Answer(400, {"success": False, "error": "Invalid payload", "details": error.details()})
        except Refused as refusal:
            return refusal.answer()
        except Unavailable as error:
            return Answer(503, {"success": False, "error": str(error)}, error.retry_after)

    def _receive_event(self, request: TrackRequest) -> Answer:
        now_ms = clock.now_ms()
        event = parse_event(request.body, now_ms=now_ms)
        client = self._client_of(request)
        try:
            admission = self._gate.admit(
                event.site_id, token_of(event.api_key, request), request, client.address
            )
            check_fields(event, admission)
        except Refused as refusal:
            self._count_refused(refusal)
            raise
        item = self._prepare(event, admission, client, now_ms)
        if isinstance(item, Filtered):
            return item.answer()
        self._store(item)
        return ACCEPTED

    def _receive_batch(self, request: TrackRequest) -> Answer:
        now_ms = clock.now_ms()
        batch = parse_batch(request.body, now_ms=now_ms)
        client = self._client_of(request)
        admissions = self._admit_all(batch, request, client.address)
        entries: list[Entry] = []
        rejected: list[dict[str, Any]] = []
        filtered: Counter[str] = Counter()
        for index, event in enumerate(batch.items):
            try:
                item = self._prepare_of_batch(event, admissions, request, client, now_ms)
            except InvalidPayload as error:
                self._count_invalid(error)
                rejected.append({"index": index, "error": "Invalid payload", "details": error.details()})
            except Refused as refusal:
                self._count_refused(refusal)
                rejected.append({"index": index, "error": refusal.error})
            else:
                if isinstance(item, Filtered):
                    filtered[item.reason] += 1
                else:
                    entries.append(item)
        self._store_all(entries)
        return Answer(
            200,
            {"success": True, "accepted": len(entries), "rejected": rejected, "filtered": dict(filtered)},
        )

    def _admit_all(
        self, batch: Batch, request: TrackRequest, address: str
    ) -> dict[tuple[str, str | None], Admission]:
        """Let a batch in for each site and key that it names; the first refusal refuses it whole.

        What it names counts in events that are refused, too: else those would need no key.
        """
        named: list[Batch | Event | InvalidPayload] = [
            each for each in batch.items if each.site_id is not None
        ]
        wanted: dict[tuple[str, str | None], None] = {}
        for each in named or [batch]:
            if each.site_id is not None:
                key = batch.api_key if each.api_key is None else each.api_key
                wanted[each.site_id, token_of(key, request)] = None
        try:
            return self._gate.admit_all(wanted, request, address)
        except Refused as refusal:
            self._count_refused_batch(batch.items, refusal)
            raise

    def _prepare_of_batch(
        self,
        event: Event | InvalidPayload,
        admissions: dict[tuple[str, str | None], Admission],
        request: TrackRequest,
        client: Client,
        now_ms: int,
    ) -> _Item:
        if isinstance(event, InvalidPayload):
            raise event
        admission = admissions[event.site_id, token_of(event.api_key, request)]
        check_fields(event, admission)
        return self._prepare(event, admission, client, now_ms)

    def _prepare(self, event: Event, admission: Admission, client: Client, now_ms: int) -> _Item:
        """The entry for the journal, or the rule of the site that keeps the event out."""
        site = admission.site
        client = client.overridden_by(event)
        item: _Item | None = None
        if admission.key_id is None and site.block_bots and is_bot(client.user_agent):
            item = Filtered(Reason.BOT, "")
        elif (pattern := site.exclusions.match_ip(client.address)) is not None:
            item = Filtered(Reason.IP, pattern)
        else:
            place = self._enricher.locate(client.address)
            country = site.exclusions.match_country(place.country)
            if country is None:
                return self._enricher.entry(event, site, client, place, now_ms)
            item = Filtered(Reason.COUNTRY, country)
        self._drops.add(site.site_id, item.reason, item.rule)
        return item

    def _store(self, entry: Entry) -> bool:
        return self._store_all([entry]) == 1

    def _store_all(self, entries: list[Entry]) -> int:
        """Store durably; answers how many were new."""
        if not entries:
            return 0
        try:
            stored = self._journal.append(entries)
        except Unavailable:
            self._count(entries, Reason.UNAVAILABLE)
            raise
        doubles = [entry for entry, new in zip(entries, stored, strict=True) if not new]
        if doubles:
            self._count(doubles, Reason.DUPLICATE)
        return len(entries) - len(doubles)

    def _count(self, entries: list[Entry], reason: Reason) -> None:
        for site_id, number in Counter(entry.site_id for entry in entries).items():
            self._drops.add(site_id, reason, count=number)

    def _count_refused(self, refusal: Refused) -> None:
        if refusal.site_id is not None and refusal.reason is not None:
            self._drops.add(refusal.site_id, refusal.reason, refusal.rule)

    def _count_refused_batch(self, items: list[Event | InvalidPayload], refusal: Refused) -> None:
        """Count every event of a batch that is refused whole, for whichever site it was meant."""
        reason, rule = refusal.reason, refusal.rule
        if reason is None:
            # A site was named that does not exist; the events for others are lost with it.
            reason, rule = Reason.INVALID_PAYLOAD, "site_id"
        for item in items:
            if isinstance(item, InvalidPayload):
                self._count_invalid(item)
            elif (site := self._directory.find_site(item.site_id)) is not None:
                self._drops.add(site.site_id, reason, rule)

    def _count_invalid(self, error: InvalidPayload) -> None:
        if error.site_id is None:
            return
        try:
            site = self._directory.find_site(error.site_id)
        except Unavailable:
            logger.warning("A refused event is in no site's count: the control database does not answer")
            return
        if site is not None:
            self._drops.add(site.site_id, Reason.INVALID_PAYLOAD, _first_field(error))

    def _client_of(self, request: TrackRequest) -> Client:
        address = self._proxies.client_address(request.peer, request.forwarded_for)
        return Client(address, request.user_agent)


def _first_field(error: InvalidPayload) -> str:
    """The first wrong field; names that are not ours would make a count for every typo in the world."""
    return next((name for name in error.field_errors if name in _FIELDS), "body")


def _check_content_type(content_type: str) -> None:
    kind = content_type.partition(";")[0].strip().lower()
    if kind and kind not in _CONTENT_TYPES:
        raise Refused(415, f"Content-Type must be {' or '.join(_CONTENT_TYPES)}")
