"""What the inspector shows of an event that was not kept, and what it must not keep of it.

Keys are masked (see `masking`), and the header that carries one is not taken over at all.

An address lives here for an hour at most, and erasing the site or the visitor removes it earlier. Where the
site stores addresses anyway (`trackIp`), it is kept as it was seen. Where it does not, it is kept
- in full only if it is itself the reason: an excluded address, too many requests of one address;
- not at all of an event that is stored (a duplicate) or would be (the disk was full): its sender is a visitor
  whose address the site does not want, and their address had no part in it;
- otherwise as its network (/24, /48), which is enough to recognise one's own try, or a proxy. Addresses of
  private networks stay, since they are those of proxies.
The same holds for X-Forwarded-For and for the `ip_address` in the body that is shown.
"""

import json
from collections.abc import Callable, Iterable
from typing import Any

from rybbit.ingest.agent import parse_agent
from rybbit.ingest.enrich import Client, Enricher
from rybbit.ingest.exclusions import normalise_address
from rybbit.ingest.losses import BODY_BYTES, Loss
from rybbit.ingest.masking import HIDDEN, mask, mask_json, secrets_of, shorten_address
from rybbit.ingest.request import Derivation, TrackRequest, TrustedProxies
from rybbit.ingest.visitor import Visitors
from rybbit.models import Reason
from rybbit.store.unkept import Unkept

REQUEST_BYTES = 4096
_SHOWN = 512
_FULL_RULE = "address"
_FILTERS = (Reason.BOT, Reason.IP, Reason.COUNTRY, Reason.DUPLICATE)
_OF_VISITORS = (Reason.DUPLICATE, Reason.UNAVAILABLE)


class LossDescriber:
    """Makes rows of losses; slow compared with what tracking may take, so not called there."""

    def __init__(self, enricher: Enricher, visitors: Visitors, proxies: TrustedProxies) -> None:
        self._enricher = enricher
        self._visitors = visitors
        self._proxies = proxies

    def describe(self, loss: Loss) -> Unkept:
        """The row of a loss.

        Raises:
            Unavailable: the control database, which has the salt of the day, does not answer.
        """
        client, derivation = self._client_of(loss)
        secrets = secrets_of(_shown_keys(loss))
        visitor, earlier = self._visitors.identify(
            loss.site,
            user_id=_sent(loss, "user_id"),
            address=client.address,
            user_agent=client.user_agent,
            now_ms=loss.source.received_ms,
        )
        shown = {
            "time": loss.source.received_ms,
            "outcome": "filtered" if loss.reason in _FILTERS else "refused",
            "status": loss.status,
            "reason": loss.reason.value,
            "rule": _text(loss.rule, secrets),
            "error": _masked_error(loss.error, secrets),
            **{
                name: _text(_sent(loss, name), secrets)
                for name in ("type", "hostname", "pathname", "event_name")
            },
            **_addresses(loss, client, derivation, secrets),
            "user_agent": "" if loss.reason in _OF_VISITORS else _text(client.user_agent, secrets),
            **parse_agent(client.user_agent, None).columns(),
            **self._place(client),
            "key": loss.key_id if loss.source.request is not None else None,
            **_request(loss, secrets),
        }
        data = json.dumps(shown, ensure_ascii=False).encode("utf-8", "replace").decode()
        return Unkept(loss.site.site_id, loss.source.received_ms, loss.reason.value, visitor, earlier, data)

    def _client_of(self, loss: Loss) -> tuple[Client, Derivation]:
        """Whom the event is about, as tracking saw it, and how their address came about."""
        request, host_client = loss.source.request, loss.source.client
        if request is None:
            client = host_client or Client("", "")
            return client, Derivation(client.address, "host", [])
        derivation = self._proxies.derive(request.peer, request.forwarded_for)
        client = Client(derivation.address, request.user_agent)
        if not (request.token is not None or _sent(loss, "api_key")):
            # Without a key nobody speaks for others.
            return client, derivation
        named = normalise_address(_sent(loss, "ip_address"))
        if named is not None:
            derivation = Derivation(named, "ip_address", derivation.trusted)
        return Client(derivation.address, _sent(loss, "user_agent") or client.user_agent), derivation

    def _place(self, client: Client) -> dict[str, str]:
        place = self._enricher.locate(client.address)
        return {"country": place.country, "region": place.region, "city": place.city}


def _sent(loss: Loss, name: str) -> Any:
    """A field of the event as it was sent; "" (None for the user) if there is none."""
    nothing = None if name == "user_id" else ""
    if loss.event is not None:
        return getattr(loss.event, name) or nothing
    return loss.sent.get(name, "").strip() or nothing


def _shown_keys(loss: Loss) -> Iterable[str | None]:
    """Whatever the request shows as a key, in the header and in the body."""
    request = loss.source.request
    yield _sent(loss, "api_key")
    if request is not None:
        yield request.token
        yield request.authorization
        yield request.authorization.partition(" ")[2].strip()


def _text(text: str, secrets: list[str]) -> str:
    return mask(text, secrets)[:_SHOWN]


def _masked_error(text: str, secrets: list[str]) -> str:
    # What a message quotes is cut, which the mark says.
    return HIDDEN.join(mask(part, secrets) for part in text.split(HIDDEN))[:_SHOWN]


def _addresses(loss: Loss, client: Client, derivation: Derivation, secrets: list[str]) -> dict[str, Any]:
    show = _address_shower(loss)
    request = loss.source.request
    hops = [] if request is None else request.forwarded_for[: 2 * _SHOWN].split(",")
    return {
        "address": show(client.address),
        "address_from": {
            "source": derivation.source,
            "peer": "" if request is None else show(normalise_address(request.peer) or ""),
            "forwarded_for": _text(", ".join(filter(None, (show(hop.strip()) for hop in hops))), secrets),
            "trusted": [
                {"address": show(hop.address), "range": hop.range} for hop in derivation.trusted[:20]
            ],
        },
    }


def _is_address_kept(loss: Loss) -> bool:
    return (
        loss.site.track_ip
        or loss.reason is Reason.IP
        or (loss.reason is Reason.RATE_LIMIT and loss.rule == _FULL_RULE)
    )


def _address_shower(loss: Loss) -> Callable[[str], str]:
    if _is_address_kept(loss):
        return lambda address: address
    if loss.reason in _OF_VISITORS:
        return lambda _: ""
    return shorten_address


def _request(loss: Loss, secrets: list[str]) -> dict[str, str | None]:
    """The body that was refused, and a sentence if it is not shown whole; of others there is none."""
    if loss.reason in _FILTERS or loss.source.request is None:
        return {"request": None, "request_note": None}
    body, size = _body_of(loss, loss.source.request)
    text = body.decode("utf-8", "replace")
    masked = mask_json(text, secrets, whole=size <= len(body), shorten=not _is_address_kept(loss)).encode(
        "utf-8", "replace"
    )
    note = None
    if size > len(body) or len(masked) > REQUEST_BYTES:
        note = f"Cut: {size} bytes were sent" if size > BODY_BYTES else f"Cut to {REQUEST_BYTES} bytes"
    return {"request": masked[:REQUEST_BYTES].decode("utf-8", "ignore"), "request_note": note}


def _body_of(loss: Loss, request: TrackRequest) -> tuple[bytes, int]:
    """What was sent of this event, perhaps cut, and how long it was."""
    if request.body:
        return request.body, loss.size or len(request.body)
    if loss.event is None:
        # The length of the event alone is not known where it was cut.
        return loss.item, loss.size if len(loss.item) == BODY_BYTES else len(loss.item)
    fields = loss.event.model_dump(by_alias=True, exclude_unset=True, mode="json")
    body = json.dumps(fields, ensure_ascii=False).encode("utf-8", "replace")
    return body, len(body)
