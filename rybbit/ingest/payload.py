"""First stage of the write path: the bytes of a request become checked events, or a list of what is wrong.

The contract is section 1 of the HTTP API. Bodies are strict UTF-8 and strict JSON; where a key is
repeated, the last one counts, as in JavaScript's `JSON.parse`. Lengths are counted in Unicode characters.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from rybbit.errors import InvalidInput
from rybbit.ingest.payload_details import is_storable, needs_properties, read_json
from rybbit.ingest.payload_fields import BatchBody, Event, read_site_id
from rybbit.ingest.payload_messages import NOT_JSON, NOT_STORABLE, json_type, messages_of, unknown_fields

__all__ = [
    "Batch",
    "Event",
    "InvalidPayload",
    "parse_batch",
    "parse_event",
    "sketch_of",
    "validate_event",
]

_NAME_REQUIRED = {
    "custom_event": "Custom events require event_name",
    "error": "Error events require event_name",
}
_TELLING = (
    *("type", "hostname", "pathname", "event_name", "api_key"),
    *("user_id", "user_agent", "ip_address"),
)
_TELLING_LENGTH = 2048
_ITEM_LENGTH = 8192
_Model = TypeVar("_Model", bound=BaseModel)
_Body = dict[Any, object]


class InvalidPayload(InvalidInput):
    """A body, or one event of a batch, that does not fit the schema.

    `site_id` is the site it was meant for, in normal form, and `api_key` the key, where they could be read;
    `sent` are those of its fields that tell events apart, as far as they are text, cut to what is shown;
    `item` is the event of a batch as JSON, cut as well.
    """

    def __init__(
        self,
        field_errors: Mapping[str, Sequence[str]] | None = None,
        form_errors: Sequence[str] = (),
        *,
        site_id: str | None = None,
        api_key: str | None = None,
        sent: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        super().__init__(field_errors, form_errors)
        self.site_id = site_id
        self.api_key = api_key
        self.sent = sent
        self.item = b""


@dataclass(frozen=True, slots=True)
class Batch:
    """The events of one batch in the order they were sent, each good or with its refusal.

    `site_id` and `api_key` are those of the batch as a whole, None if it names none.
    """

    items: list[Event | InvalidPayload]
    site_id: str | None = None
    api_key: str | None = None


def parse_event(body: bytes, *, now_ms: int) -> Event:
    """Read the body of a tracking request; raises InvalidPayload.

    `now_ms` is the time of receipt, which bounds the event's own timestamp.
    """
    return _checked_event(_read_body(body), now_ms, escapes=_has_escapes(body))


def parse_batch(body: bytes, *, now_ms: int) -> Batch:
    """Read the body of a batch; raises InvalidPayload where it is none.

    The batch's `site_id` and `api_key` count for every event that names none of its own.
    """
    data = _read_body(body)
    escapes = _has_escapes(body)
    batch = _BATCH.check(data, now_ms, escapes=escapes)
    defaults = batch.model_dump(include={"api_key", "site_id"}, exclude_unset=True)
    items = [_event_or_refusal(item, defaults, now_ms, escapes=escapes) for item in batch.events]
    return Batch(items, batch.site_id, batch.api_key)


def validate_event(data: object, *, now_ms: int) -> Event:
    """Check an event that is already decoded, under the names of the HTTP API; raises InvalidPayload."""
    return _checked_event(data, now_ms, escapes=True)


def _read_body(body: bytes) -> object:
    try:
        return read_json(body.decode())
    except (ValueError, RecursionError):
        pass
    raise InvalidPayload(form_errors=[NOT_JSON])


def _has_escapes(body: bytes) -> bool:
    """Whether strings may hold what no valid UTF-8 and no JSON string holds unescaped: surrogates, NUL."""
    return b"\\u" in body


class _Schema(Generic[_Model]):
    """A model with the names it takes, ready to check many bodies.

    `absent` adds what pydantic cannot see: fields that other fields make necessary.
    """

    def __init__(self, model: type[_Model], absent: Callable[[_Body], dict[str, list[str]]]) -> None:
        self._validate = model.__pydantic_validator__.validate_python
        self._names = frozenset(field.alias or name for name, field in model.model_fields.items())
        self._absent = absent

    def check(self, data: object, now_ms: int, *, escapes: bool) -> _Model:
        """The checked model; `escapes` says whether NUL and surrogates must be looked for."""
        if not isinstance(data, dict):
            raise InvalidPayload(form_errors=[f"Expected object, received {json_type(data)}"])
        # Names are compared here, not in pydantic: a hostile body can hold a hundred thousand of them.
        if not self._names.issuperset(data) or self._absent(data) or (escapes and _unstorable_fields(data)):
            raise self._refusal(data, now_ms)
        try:
            checked: _Model = self._validate(data, context=now_ms)
        except ValidationError:
            pass
        else:
            return checked
        # Outside the handler, so that a refusal kept in a batch holds no chain of errors and frames.
        raise self._refusal(data, now_ms)

    def _refusal(self, data: _Body, now_ms: int) -> InvalidPayload:
        """Everything that is wrong at once; slower than the check, and only run when it failed."""
        known = {name: value for name, value in data.items() if name in self._names}
        fields = {str(name): [NOT_STORABLE] for name in _unstorable_fields(known)} | self._absent(known)
        forms = []
        if len(known) < len(data):
            unknown, form = unknown_fields([name for name in data if name not in self._names])
            fields |= unknown
            forms.append(form)
        try:
            self._validate(known, context=now_ms)
        except ValidationError as error:
            for problem in error.errors(include_url=False):
                texts = fields.setdefault(str(problem["loc"][0]), [])
                texts += [text for text in messages_of(problem) if text not in texts]
        key = data.get("api_key")
        return InvalidPayload(
            fields,
            forms,
            site_id=read_site_id(data.get("site_id")),
            api_key=key if isinstance(key, str) else None,
            sent=_sent(data),
        )


def _unstorable_fields(data: _Body) -> list[object]:
    return [name for name, value in data.items() if isinstance(value, str) and not is_storable(value)]


def _absent_properties(data: _Body) -> dict[str, list[str]]:
    if "properties" in data or not needs_properties(data.get("type")):
        return {}
    return {"properties": [f"Required for {data['type']} events"]}


_EVENT = _Schema(Event, _absent_properties)
_BATCH = _Schema(BatchBody, lambda _: {})


def _checked_event(data: object, now_ms: int, *, escapes: bool) -> Event:
    event = _EVENT.check(data, now_ms, escapes=escapes)
    if event.event_name is None and event.type in _NAME_REQUIRED:
        raise InvalidPayload(
            form_errors=[_NAME_REQUIRED[event.type]],
            site_id=event.site_id,
            api_key=event.api_key,
            sent=_sent(data),
        )
    return event


def _event_or_refusal(
    item: object, defaults: dict[str, object], now_ms: int, *, escapes: bool
) -> Event | InvalidPayload:
    data = {**defaults, **item} if isinstance(item, dict) else item
    try:
        return _checked_event(data, now_ms, escapes=escapes)
    except InvalidPayload as refusal:
        refusal.item = _as_json(data)
        return refusal.with_traceback(None)


def _as_json(data: object) -> bytes:
    try:
        # In ASCII, since the text may hold what no UTF-8 has.
        return json.dumps(data)[:_ITEM_LENGTH].encode()
    except RecursionError:
        # It could be read just so; then it cannot be written from where we are.
        return b""


def _sent(data: object) -> dict[str, str]:
    if not isinstance(data, dict):
        return {}
    texts = ((name, data.get(name)) for name in _TELLING)
    return {name: text[:_TELLING_LENGTH] for name, text in texts if isinstance(text, str)}


def sketch_of(body: bytes) -> tuple[str | None, Mapping[str, str]]:
    """`site_id` and `sent` of a body as in InvalidPayload, whatever else is wrong with it."""
    try:
        data = _read_body(body)
    except InvalidPayload:
        return None, {}
    return (read_site_id(data.get("site_id")) if isinstance(data, dict) else None), _sent(data)
