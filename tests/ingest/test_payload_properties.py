"""Whatever is sent, the answer is an event that can be kept or a refusal that can be shown."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rybbit.ingest.payload import Event, InvalidPayload, parse_batch, parse_event, validate_event

NOW = 1_763_779_000_000
# A busy machine is no failure.
UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
EVERY_FIELD: dict[str, Any] = {
    "api_key": "rb_0123456789abcdef0123456789abcdef",
    "site_id": "a1b2c3d4e5f6",
    "type": "performance",
    "pathname": "/blog/ä",
    "hostname": "www.example.com",
    "page_title": "A title 😀",
    "referrer": "https://www.example.org/?q=1",
    "user_id": "someone@example.com",
    "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "ip_address": "192.0.2.7",
    "querystring": "?utm_source=a",
    "language": "de-DE",
    "screenWidth": 1920,
    "screenHeight": 1080,
    "event_name": "name",
    "properties": '{"url": "https://example.org", "message": "m"}',
    "lcp": 1.5,
    "cls": 0,
    "inp": None,
    "fcp": 12.25,
    "ttfb": 3,
    "timestamp": "2025-11-22T02:00:00Z",
    "event_id": "7",
}
FIELDS = [*EVERY_FIELD, "events", "foo", "Type", "screen_width"]

# st.text() leaves surrogates out unless they are asked for.
texts = st.text(st.characters(exclude_categories=()), max_size=60) | st.sampled_from(
    [
        "",
        "\0",
        "\ud800",
        "'; DROP TABLE events; --",
        "\r\n",
        "\u202e",
        "{}",
        '{"a": "\\u0000"}',
        "9" * 4500,
        "x" * 5000,
    ]
)
numbers = st.integers() | st.floats() | st.sampled_from([2**31, 2**63, 2**64, 10**400, -1, 0, 1e308, NOW])
scalars = st.none() | st.booleans() | numbers | texts
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
properties_texts = json_values.map(json.dumps) | texts
types = st.sampled_from(["pageview", "custom_event", "performance", "outbound", "error"])
field_values = json_values | properties_texts | types
loose_events = st.dictionaries(st.sampled_from(FIELDS) | texts, field_values, max_size=8)


@st.composite
def mutated_events(draw: st.DrawFn) -> dict[str, Any]:
    """A good event of any type with a few fields left out or replaced."""
    event = {**EVERY_FIELD, "type": draw(types)}
    for name in draw(st.lists(st.sampled_from(list(EVERY_FIELD)), max_size=6)):
        event.pop(name, None)
    if event.get("type") != "performance" and draw(st.booleans()):
        event = {
            name: value for name, value in event.items() if name not in ("lcp", "cls", "inp", "fcp", "ttfb")
        }
    if draw(st.booleans()):
        event[draw(st.sampled_from(FIELDS))] = draw(field_values)
    return event


@st.composite
def damaged_bodies(draw: st.DrawFn) -> bytes:
    """The bytes of a mutated event with a cut, a splice or a changed byte."""
    body = json.dumps(draw(mutated_events()), ensure_ascii=draw(st.booleans())).encode(
        "utf-8", "surrogatepass"
    )
    start = draw(st.integers(0, len(body)))
    stop = draw(st.integers(start, min(len(body), start + 8)))
    return body[:start] + draw(st.binary(max_size=8)) + body[stop:]


def assert_kept_or_refused(item: Event | InvalidPayload) -> None:
    """An event survives the journal's JSON; a refusal names something and survives the answer's JSON."""
    if isinstance(item, Event):
        kept = item.model_dump(by_alias=True)
        text = json.dumps(kept, ensure_ascii=False, allow_nan=False)
        assert "\\u0000" not in text.replace("\\\\", "")
        assert json.loads(text.encode()) == kept
        return
    details = item.details()
    shown = json.dumps(details, ensure_ascii=False, allow_nan=False).encode()
    assert json.loads(shown) == details
    assert len(shown) < 20_000
    assert item.form_errors or item.field_errors
    assert all(item.field_errors.values())
    assert all(text for texts in item.field_errors.values() for text in texts)


def outcome(data: object) -> Event | InvalidPayload:
    try:
        return validate_event(data, now_ms=NOW)
    except InvalidPayload as refusal:
        return refusal


def outcome_of_body(body: bytes) -> Event | InvalidPayload:
    try:
        return parse_event(body, now_ms=NOW)
    except InvalidPayload as refusal:
        return refusal


def same(one: Event | InvalidPayload, other: Event | InvalidPayload) -> bool:
    if isinstance(one, Event) or isinstance(other, Event):
        return one == other
    return (one.details(), one.site_id) == (other.details(), other.site_id)


@settings(UNTIMED, max_examples=300)
@given(st.binary(max_size=300))
@example(b"[" * 65_536)
@example(b'{"site_id":"1","properties":"' + b"[" * 2000 + b'"}')
@example(b'{"a":' * 10_000 + b"1" + b"}" * 10_000)
@example(b"9" * 65_536)
@example(b'{"site_id":' + b"9" * 4299 + b"}")
@example(b"\xef\xbb\xbf{}")
def test_any_bytes(body: bytes) -> None:
    assert_kept_or_refused(outcome_of_body(body))


@settings(UNTIMED, max_examples=300)
@given(json_values | loose_events)
def test_any_json(data: object) -> None:
    item = outcome_of_body(json.dumps(data).encode())
    assert_kept_or_refused(item)
    if isinstance(item, Event):
        assert isinstance(data, dict)
        assert data.keys() <= EVERY_FIELD.keys()


@settings(UNTIMED, max_examples=500)
@given(mutated_events())
def test_almost_good_events_and_both_ways_in(data: dict[str, Any]) -> None:
    item = outcome(data)
    assert_kept_or_refused(item)
    constants = json.dumps(data)
    if not any(word in constants for word in ("NaN", "Infinity")):
        assert same(outcome_of_body(constants.encode()), item)


@settings(UNTIMED, max_examples=500)
@given(damaged_bodies())
def test_damaged_bodies(body: bytes) -> None:
    assert_kept_or_refused(outcome_of_body(body))


@settings(UNTIMED, max_examples=200)
@given(
    st.dictionaries(st.sampled_from(["site_id", "api_key", "events", "foo"]) | texts, json_values, max_size=4)
)
def test_any_batch(outer: dict[str, Any]) -> None:
    try:
        items = parse_batch(json.dumps(outer).encode(), now_ms=NOW).items
    except InvalidPayload as refusal:
        items = [refusal]
    for item in items:
        assert_kept_or_refused(item)


@settings(UNTIMED, max_examples=100)
@given(st.lists(mutated_events() | json_values, min_size=1, max_size=5))
def test_a_batch_judges_each_event_as_if_it_came_alone(events: list[Any]) -> None:
    text = json.dumps({"events": events})
    if any(word in text for word in ("NaN", "Infinity")):
        return
    items = parse_batch(text.encode(), now_ms=NOW).items
    alone = [outcome(event) for event in events]
    assert all(same(one, other) for one, other in zip(items, alone, strict=True))


offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@settings(UNTIMED)
@given(st.datetimes(datetime(2000, 1, 3), datetime(2025, 11, 20), timezones=offsets))
def test_a_time_is_the_same_instant_in_any_offset_and_without_one_in_utc(moment: datetime) -> None:
    in_utc = moment.astimezone(UTC).replace(tzinfo=None)
    for text in (moment.isoformat(), moment.isoformat(" "), in_utc.isoformat(), f"{in_utc.isoformat()}Z"):
        event = validate_event({"site_id": 1, "timestamp": text}, now_ms=NOW)
        instant = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=event.timestamp or 0)
        assert timedelta(0) <= moment - instant < timedelta(milliseconds=1)


@settings(UNTIMED)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=64))
def test_any_other_text_stays_data(text: str) -> None:
    body = json.dumps({"site_id": 1, "page_title": text, "properties": json.dumps({text: text})}).encode()
    event = parse_event(body, now_ms=NOW)
    assert event.page_title == text
    assert json.loads(event.properties or "") == {text: text}
