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
from rybbit.ingest.credential import Admission, Gate, check_fields, token_of
from rybbit.ingest.directory import SiteDirectory
from rybbit.ingest.enrich import Client, Enricher
from rybbit.ingest.losses import Losses, Source
from rybbit.ingest.payload import Batch, Event, InvalidPayload, parse_batch, parse_event, validate_event
from rybbit.ingest.request import TrackRequest, TrustedProxies
from rybbit.ingest.rules import find_rule
from rybbit.models import Reason
from rybbit.store.journal import Entry, Journal

logger = logging.getLogger(__name__)

# Stands where an HTTP request has the id of its key.
_IN_PROCESS = "in-process"
_CONTENT_TYPES = ("application/json", "text/plain")
_Item = Entry | Filtered
_Origin = tuple[Event, Admission]


class Pipeline:
    """Takes events in for one process; safe for any number of threads."""

    def __init__(
        self,
        directory: SiteDirectory,
        gate: Gate,
        enricher: Enricher,
        journal: Journal,
        losses: Losses,
        proxies: TrustedProxies,
    ) -> None:
        self._directory = directory
        self._gate = gate
        self._enricher = enricher
        self._journal = journal
        self._losses = losses
        self._proxies = proxies

    def receive(self, request: TrackRequest) -> Answer:
        """Answer `POST /api/track`: one event, stored durably if the answer is a plain success."""
        return self._answered(self._receive_event, request, Source(clock.now_ms(), request))

    def receive_batch(self, request: TrackRequest) -> Answer:
        """Answer `POST /api/track/batch`: the good events are stored all or none."""
        source = Source(clock.now_ms(), request, is_batch=True)
        return self._answered(self._receive_batch, request, source)

    def track(self, data: dict[str, Any], *, site: str, address: str, user_agent: str) -> bool:
        """Store an event of this process itself, under the names of the HTTP API.

        No key, no limit, no domain and no bot filter stand before it. Answers whether it was stored:
        not when the site excludes it, when it is a double, or when it cannot be stored now (logged).

        Raises:
            InvalidPayload: a field is wrong.
            NotFound: there is no such site.
        """
        client = Client(address, user_agent)
        source = Source(clock.now_ms(), None, client)
        event = validate_event({**data, "site_id": site}, now_ms=source.received_ms)
        try:
            tracked = self._directory.find_site(event.site_id)
            if tracked is None:
                raise NotFound("Site not found")
            admission = Admission(tracked, _IN_PROCESS)
            item = self._prepare(event, admission, client, source)
            return isinstance(item, Entry) and self._store_all([item], [(event, admission)], source) == 1
        except Unavailable as error:
            logger.error("An event of the host app is lost: %s", error)
            return False

    def _answered(
        self, handle: Callable[[TrackRequest, Source], Answer], request: TrackRequest, source: Source
    ) -> Answer:
        """The one place where what is raised below becomes an answer."""
        try:
            self._check_content_type(request, source)
            return handle(request, source)
        except InvalidPayload as error:
            self._losses.add_invalid(error, source)
            return Answer(400, {"success": False, "error": "Invalid payload", "details": error.details()})
        except Refused as refusal:
            return refusal.answer()
        except Unavailable as error:
            return Answer(503, {"success": False, "error": str(error)}, error.retry_after)

    def _check_content_type(self, request: TrackRequest, source: Source) -> None:
        kind = request.content_type.partition(";")[0].strip().lower()
        if kind and kind not in _CONTENT_TYPES:
            refusal = Refused(415, f"Content-Type must be {' or '.join(_CONTENT_TYPES)}")
            # `curl -d` says that it sends a form: who looks for such an event shall find it.
            self._losses.add_wrong_type(refusal, source)
            raise refusal

    def _receive_event(self, request: TrackRequest, source: Source) -> Answer:
        event = parse_event(request.body, now_ms=source.received_ms)
        client = self._client_of(request)
        try:
            admission = self._gate.admit(
                event.site_id, token_of(event.api_key, request), request, client.address
            )
            check_fields(event, admission)
        except Refused as refusal:
            self._losses.add_refused(refusal, event, source)
            raise
        item = self._prepare(event, admission, client, source)
        if isinstance(item, Filtered):
            return item.answer()
        self._store_all([item], [(event, admission)], source)
        return ACCEPTED

    def _receive_batch(self, request: TrackRequest, source: Source) -> Answer:
        batch = parse_batch(request.body, now_ms=source.received_ms)
        client = self._client_of(request)
        admissions = self._admit_all(batch, request, client.address, source)
        entries: list[Entry] = []
        origins: list[_Origin] = []
        rejected: list[dict[str, Any]] = []
        filtered: Counter[str] = Counter()
        for index, event in enumerate(batch.items):
            if isinstance(event, InvalidPayload):
                self._losses.add_invalid(event, source)
                rejected.append({"index": index, "error": "Invalid payload", "details": event.details()})
                continue
            admission = admissions[event.site_id, token_of(event.api_key, request)]
            try:
                check_fields(event, admission)
            except Refused as refusal:
                self._losses.add_refused(refusal, event, source)
                rejected.append({"index": index, "error": refusal.error})
                continue
            item = self._prepare(event, admission, client, source)
            if isinstance(item, Filtered):
                filtered[item.reason] += 1
            else:
                entries.append(item)
                origins.append((event, admission))
        self._store_all(entries, origins, source)
        return Answer(
            200,
            {"success": True, "accepted": len(entries), "rejected": rejected, "filtered": dict(filtered)},
        )

    def _admit_all(
        self, batch: Batch, request: TrackRequest, address: str, source: Source
    ) -> dict[tuple[str, str | None], Admission]:
        """Let a batch in for each site and key that it names; the first refusal refuses it whole.

        What it names counts in events that are refused, too: else those would need no key.

        Raises:
            InvalidPayload: it names no site at all.
        """
        named: list[Batch | Event | InvalidPayload] = [
            each for each in batch.items if each.site_id is not None
        ]
        wanted: dict[tuple[str, str | None], None] = {}
        for each in named or [batch]:
            if each.site_id is not None:
                key = batch.api_key if each.api_key is None else each.api_key
                wanted[each.site_id, token_of(key, request)] = None
        if not wanted:
            raise InvalidPayload({"site_id": ["Required"]})
        try:
            return self._gate.admit_all(wanted, request, address)
        except Refused as refusal:
            self._losses.add_refused_batch(batch.items, refusal, source)
            raise

    def _prepare(self, event: Event, admission: Admission, client: Client, source: Source) -> _Item:
        """The entry for the journal, or the rule of the site that keeps the event out."""
        site = admission.site
        client = client.overridden_by(event)
        place = self._enricher.locate(client.address)
        rule = find_rule(
            site.exclusions,
            block_bots=site.block_bots and admission.key_id is None,
            user_agent=client.user_agent,
            address=client.address,
            country=place.country,
        )
        if rule is None:
            return self._enricher.entry(event, site, client, place, source.received_ms)
        self._losses.add_filtered(rule, event, admission, source)
        return rule

    def _store_all(self, entries: list[Entry], origins: list[_Origin], source: Source) -> int:
        """Store durably; answers how many were new. `origins` are the entries' events, in their order."""
        if not entries:
            return 0
        try:
            stored = self._journal.append(entries)
        except Unavailable as error:
            for event, admission in origins:
                self._losses.add_unstored(Reason.UNAVAILABLE, event, admission, source, str(error))
            raise
        if all(stored):
            return len(entries)
        for (event, admission), new in zip(origins, stored, strict=True):
            if not new:
                self._losses.add_unstored(Reason.DUPLICATE, event, admission, source)
        return sum(stored)

    def _client_of(self, request: TrackRequest) -> Client:
        address = self._proxies.client_address(request.peer, request.forwarded_for)
        return Client(address, request.user_agent)
