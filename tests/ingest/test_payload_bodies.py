"""Whole bodies: what is no event, what is wrong beyond single fields, batches, hostile names."""

import json
from typing import Any

import pytest

from rybbit.ingest.payload import Event, InvalidPayload, parse_batch, parse_event, validate_event

NOW = 1_763_779_000_000
API_KEY = "rb_0123456789abcdef0123456789abcdef"
# fmt: off
TEXTS = [
    "api_key", "site_id", "type", "pathname", "hostname", "page_title", "referrer", "user_id",
    "user_agent", "ip_address", "querystring", "language", "event_name", "properties", "timestamp",
    "event_id",
]
# fmt: on
NOT_STORABLE = "Must not contain NUL characters or lone surrogates"
BAD_SITE = "Must be the number of a site or its 12-digit hexadecimal id"


def refusal_of(body: bytes) -> InvalidPayload:
    with pytest.raises(InvalidPayload) as caught:
        parse_event(body, now_ms=NOW)
    json.dumps(caught.value.details(), ensure_ascii=False).encode()
    return caught.value


@pytest.mark.parametrize(
    ("event_type", "message"),
    [("custom_event", "Custom events require event_name"), ("error", "Error events require event_name")],
)
def test_a_missing_name_is_told_when_all_else_holds(event_type: str, message: str) -> None:
    fields = {"site_id": "007", "type": event_type, "properties": '{"message": "m"}'}
    refused = refusal_of(json.dumps(fields).encode())
    assert refused.details() == {"fieldErrors": {}, "formErrors": [message]}
    assert refused.site_id == "7"
    refused = refusal_of(json.dumps({**fields, "language": 5}).encode())
    assert refused.field_errors == {"language": ["Expected string, received number"]}
    assert refused.form_errors == []


def test_unknown_fields_are_named_twice() -> None:
    refused = refusal_of(b'{"site_id": "1", "foo": 1, "screen_width": 2}')
    assert refused.field_errors == {"foo": ["Unrecognized field"], "screen_width": ["Unrecognized field"]}
    assert refused.form_errors == ["Unrecognized key(s) in object: 'foo', 'screen_width'"]


def test_hostile_names_are_cut_cleaned_and_few() -> None:
    refused = refusal_of(json.dumps({"site_id": "1", "x" * 60_000: 1, "\0\ud800\u202e": 1}).encode())
    assert refused.field_errors.keys() == {"x" * 64 + "…", "???"}
    many = refusal_of(json.dumps({"site_id": "1", **{f"k{i}": i for i in range(5000)}}).encode())
    assert list(many.field_errors) == [f"k{i}" for i in range(20)]
    assert many.form_errors[0].endswith(", 'k18', 'k19' and 4980 more")


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("escape", ["\\u0000", "\\ud800", "\\uDFFF", "\\ude00\\ud83d"])
def test_nul_and_lone_surrogates_are_refused_everywhere(name: str, escape: str) -> None:
    refused = refusal_of(f'{{"site_id": "1", "{name}": "1{escape}"}}'.encode())
    assert refused.field_errors.keys() == {name}
    assert NOT_STORABLE in refused.field_errors[name]


def test_all_that_is_wrong_is_told_at_once() -> None:
    refused = refusal_of(b'{"type": "outbound", "language": 5, "lcp": 1, "foo": 1, "page_title": "\\u0000"}')
    assert refused.details() == {
        "fieldErrors": {
            "page_title": [NOT_STORABLE],
            "properties": ["Required for outbound events"],
            "foo": ["Unrecognized field"],
            "site_id": ["Required"],
            "language": ["Expected string, received number"],
            "lcp": ["Only performance events have this field"],
        },
        "formErrors": ["Unrecognized key(s) in object: 'foo'"],
    }


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "Body must be valid JSON"),
        (b"{", "Body must be valid JSON"),
        (b'{"site_id": NaN}', "Body must be valid JSON"),
        (b'{"site_id": Infinity}', "Body must be valid JSON"),
        (b'{"site_id": "\xff"}', "Body must be valid JSON"),
        (b'{"site_id": "\xed\xa0\x80"}', "Body must be valid JSON"),
        (b'{"site_id": "\x00"}', "Body must be valid JSON"),
        (b'\xef\xbb\xbf{"site_id": "1"}', "Body must be valid JSON"),
        ('{"site_id": "1"}'.encode("utf-16"), "Body must be valid JSON"),
        (b'{"site_id": ' + b"9" * 5000 + b"}", "Body must be valid JSON"),
        (b"[" * 60_000, "Body must be valid JSON"),
        (b'{"a":' * 12_000, "Body must be valid JSON"),
        (b"[]", "Expected object, received array"),
        (b"null", "Expected object, received null"),
        (b"1", "Expected object, received number"),
        (b'"x"', "Expected object, received string"),
        (b"true", "Expected object, received boolean"),
    ],
)
def test_a_body_that_is_no_event(body: bytes, message: str) -> None:
    refused = refusal_of(body)
    assert refused.details() == {"fieldErrors": {}, "formErrors": [message]}
    assert refused.site_id is None


def test_the_last_of_equal_keys_counts() -> None:
    event = parse_event(b'{"site_id": null, "site_id": "1", "site_id": "2"}', now_ms=NOW)
    assert event.site_id == "2"


@pytest.mark.parametrize(
    ("site", "read"), [("007", "7"), (5, "5"), ("A1B2C3D4E5F6", "a1b2c3d4e5f6"), ("x", None)]
)
def test_a_refusal_knows_its_site_if_it_could_be_read(site: object, read: str | None) -> None:
    assert refusal_of(json.dumps({"site_id": site, "foo": 1}).encode()).site_id == read


def test_an_event_in_process_is_checked_alike() -> None:
    assert validate_event({"site_id": 1, "screenWidth": 5}, now_ms=NOW).screen_width == 5
    with pytest.raises(InvalidPayload) as caught:
        validate_event(
            {"site_id": "1", "page_title": "\0", "language": "\ud800", 5: 5, "event_id": b"x"}, now_ms=NOW
        )
    assert caught.value.field_errors == {
        "page_title": [NOT_STORABLE],
        "language": [NOT_STORABLE],
        "5": ["Unrecognized field"],
        "event_id": ["Expected string, received unknown"],
    }


def test_an_event_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        validate_event({"site_id": "1"}, now_ms=NOW).site_id = "2"


def batch_body(events: object, **outer: Any) -> bytes:
    return json.dumps({**outer, "events": events}).encode()


def test_a_batch_keeps_order_and_lends_its_defaults() -> None:
    body = batch_body(
        [{}, {"site_id": 2, "api_key": "own"}, {"lcp": 1}, 5, {"site_id": None}, {"type": "custom_event"}],
        site_id="007",
        api_key=API_KEY,
    )
    first, second, *refusals = parse_batch(body, now_ms=NOW).items
    assert isinstance(first, Event)
    assert isinstance(second, Event)
    assert (first.site_id, first.api_key, second.site_id, second.api_key) == ("7", API_KEY, "2", "own")
    assert [(item.details(), item.site_id) for item in refusals if isinstance(item, InvalidPayload)] == [
        ({"fieldErrors": {"lcp": ["Only performance events have this field"]}, "formErrors": []}, "7"),
        ({"fieldErrors": {}, "formErrors": ["Expected object, received number"]}, None),
        ({"fieldErrors": {"site_id": ["Expected string, received null"]}, "formErrors": []}, None),
        ({"fieldErrors": {}, "formErrors": ["Custom events require event_name"]}, "7"),
    ]


def test_a_batch_without_defaults_asks_each_event_for_its_site() -> None:
    items = parse_batch(
        batch_body([{"site_id": "1"}, {}, {"site_id": "1", "language": "\0"}]), now_ms=NOW
    ).items
    assert isinstance(items[0], Event)
    assert isinstance(items[1], InvalidPayload)
    assert items[1].field_errors == {"site_id": ["Required"]}
    assert isinstance(items[2], InvalidPayload)
    assert items[2].field_errors == {"language": [NOT_STORABLE]}


def test_a_kept_refusal_holds_no_frames() -> None:
    (item,) = parse_batch(batch_body([{}]), now_ms=NOW).items
    assert isinstance(item, InvalidPayload)
    assert (item.__traceback__, item.__context__, item.__cause__) == (None, None, None)


def test_a_batch_has_1_to_500_events() -> None:
    assert len(parse_batch(batch_body([{}] * 500, site_id="1"), now_ms=NOW).items) == 500
    assert len(parse_batch(batch_body([{}], site_id="1"), now_ms=NOW).items) == 1


@pytest.mark.parametrize(
    ("body", "fields", "forms"),
    [
        (batch_body([{}] * 501), {"events": ["Array must contain at most 500 element(s)"]}, []),
        (batch_body([]), {"events": ["Array must contain at least 1 element(s)"]}, []),
        (batch_body({}), {"events": ["Expected array, received object"]}, []),
        (batch_body(None), {"events": ["Expected array, received null"]}, []),
        (b"{}", {"events": ["Required"]}, []),
        (batch_body([{}], foo=1), {"foo": ["Unrecognized field"]}, ["Unrecognized key(s) in object: 'foo'"]),
        (batch_body([{}], site_id="x"), {"site_id": [BAD_SITE]}, []),
        (batch_body([{}], site_id=None), {"site_id": ["Expected string, received null"]}, []),
        (batch_body([{}], api_key=5), {"api_key": ["Expected string, received number"]}, []),
        (
            batch_body([{}], api_key="x" * 65),
            {"api_key": ["String must contain at most 64 character(s)"]},
            [],
        ),
        (batch_body([{}], api_key="\0"), {"api_key": [NOT_STORABLE]}, []),
        (b"[{}]", {}, ["Expected object, received array"]),
        (b"x", {}, ["Body must be valid JSON"]),
    ],
)
def test_what_is_no_batch_is_refused_whole(body: bytes, fields: object, forms: object) -> None:
    with pytest.raises(InvalidPayload) as caught:
        parse_batch(body, now_ms=NOW)
    assert caught.value.details() == {"fieldErrors": fields, "formErrors": forms}


def test_a_refused_batch_knows_its_site() -> None:
    with pytest.raises(InvalidPayload) as caught:
        parse_batch(batch_body([], site_id="007"), now_ms=NOW)
    assert caught.value.site_id == "7"
