"""Section 1 of the HTTP API: every field at its limits, every JSON type for every field, every message."""

import json
from typing import Any

import pytest

from rybbit.ingest.payload import Event, InvalidPayload, parse_batch, parse_event, validate_event

NOW = 1_763_779_000_000
NOW_ISO_PLUS_5 = "2025-11-22T02:41:40Z"
API_KEY = "rb_0123456789abcdef0123456789abcdef"
TEXT_LIMITS = {
    "api_key": 64,
    "pathname": 2048,
    "hostname": 253,
    "page_title": 512,
    "referrer": 2048,
    "user_id": 255,
    "user_agent": 512,
    "querystring": 2048,
    "language": 35,
    "event_name": 256,
    "event_id": 64,
}
VITALS = ("lcp", "cls", "inp", "fcp", "ttfb")
NOT_STORABLE = "Must not contain NUL characters or lone surrogates"
BAD_RANGE = "Must be between 2000-01-01 and 5 minutes from now"
BAD_TIME = "Expected an ISO 8601 time or milliseconds since 1970"
BAD_SITE = "Must be the number of a site or its 12-digit hexadecimal id"
BAD_JSON = "Must be valid JSON"
FLOAT_FOR_INTEGER = "Expected integer, received float"


def parse(**fields: Any) -> Event:
    return parse_event(json.dumps({"site_id": "1", **fields}).encode(), now_ms=NOW)


def refusal_of(body: bytes) -> InvalidPayload:
    with pytest.raises(InvalidPayload) as caught:
        parse_event(body, now_ms=NOW)
    assert caught.value.field_errors or caught.value.form_errors
    json.dumps(caught.value.details(), ensure_ascii=False).encode()
    return caught.value


def refuse(**fields: Any) -> dict[str, list[str]]:
    refusal = refusal_of(json.dumps({"site_id": "1", **fields}).encode())
    assert refusal.form_errors == []
    return refusal.field_errors


def outbound(**members: Any) -> dict[str, Any]:
    return {"type": "outbound", "properties": json.dumps(members)}


def error(**members: Any) -> dict[str, Any]:
    return {"type": "error", "event_name": "TypeError", "properties": json.dumps(members)}


def test_the_smallest_event_is_a_pageview_with_everything_else_absent() -> None:
    event = parse()
    assert (event.type, event.site_id) == ("pageview", "1")
    others = event.model_dump(exclude={"type", "site_id"})
    assert set(others.values()) == {None}
    assert len(others) == 21


def test_a_full_event_keeps_every_value_as_given() -> None:
    texts = {name: f"{name} é 😀 '\"\n;--" for name in TEXT_LIMITS if name != "language"}
    event = parse(
        **texts,
        type="performance",
        language="de-DE",
        ip_address="2001:DB8::1",
        properties='{ "a": [1, null] }',
        screenWidth=1920,
        screenHeight=1080,
        lcp=1.5,
        cls=0,
        inp=None,
    )
    for name, text in texts.items():
        assert getattr(event, name) == text
    assert (event.ip_address, event.properties) == ("2001:DB8::1", '{ "a": [1, null] }')
    assert (event.screen_width, event.screen_height) == (1920, 1080)
    assert (event.lcp, event.cls, event.inp, event.fcp) == (1.5, 0.0, None, None)


@pytest.mark.parametrize(("name", "limit"), TEXT_LIMITS.items())
@pytest.mark.parametrize("character", ["a", "é", "😀"])
def test_a_text_ends_at_its_limit_in_characters(name: str, limit: int, character: str) -> None:
    assert getattr(parse(**{name: character * limit}), name) == character * limit
    too_long = {name: [f"String must contain at most {limit} character(s)"]}
    assert refuse(**{name: character * (limit + 1)}) == too_long


@pytest.mark.parametrize("name", ["event_name", "event_id"])
def test_a_name_may_not_be_empty(name: str) -> None:
    assert refuse(**{name: ""}) == {name: ["String must contain at least 1 character(s)"]}
    assert getattr(parse(**{name: "a"}), name) == "a"


@pytest.mark.parametrize("name", sorted(set(TEXT_LIMITS) - {"event_name", "event_id", "user_id"}))
def test_other_texts_may_be_empty(name: str) -> None:
    assert getattr(parse(**{name: ""}), name) == ""


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("  u 1\t\n", "u 1"),
        ("   ", None),
        ("", None),
        (" " * 300 + "a" * 255 + "\u3000", "a" * 255),
    ],
)
def test_a_user_id_is_trimmed_before_it_is_measured(sent: str, kept: str | None) -> None:
    assert parse(user_id=sent).user_id == kept


JSON_TYPES = [
    (None, "null"),
    (True, "boolean"),
    (1, "number"),
    (1.5, "number"),
    ("abc", "string"),
    ([], "array"),
    ({}, "object"),
]


@pytest.mark.parametrize("name", [*TEXT_LIMITS, "ip_address", "properties"])
@pytest.mark.parametrize(("value", "received"), [pair for pair in JSON_TYPES if pair[1] != "string"])
def test_a_text_takes_no_other_type(name: str, value: object, received: str) -> None:
    assert refuse(**{name: value}) == {name: [f"Expected string, received {received}"]}


@pytest.mark.parametrize("name", ["screenWidth", "screenHeight"])
@pytest.mark.parametrize(("value", "received"), [pair for pair in JSON_TYPES if pair[1] != "number"])
def test_a_screen_size_takes_no_other_type(name: str, value: object, received: str) -> None:
    assert refuse(**{name: value}) == {name: [f"Expected integer, received {received}"]}


@pytest.mark.parametrize("name", VITALS)
@pytest.mark.parametrize(("value", "received"), [p for p in JSON_TYPES if p[1] not in ("number", "null")])
def test_a_vital_takes_no_other_type(name: str, value: object, received: str) -> None:
    refused = refuse(type="performance", **{name: value})
    assert refused == {name: [f"Expected number, received {received}"]}


@pytest.mark.parametrize(("value", "received"), [p for p in JSON_TYPES if p[1] not in ("number", "string")])
def test_site_and_time_take_texts_and_numbers_only(value: object, received: str) -> None:
    assert refuse(site_id=value) == {"site_id": [f"Expected string, received {received}"]}
    assert refuse(timestamp=value) == {"timestamp": [f"Expected string or number, received {received}"]}


@pytest.mark.parametrize(("value", "received"), JSON_TYPES)
def test_the_type_is_one_of_five(value: object, received: str) -> None:
    shown = f"'{value}'" if received == "string" else received
    expected = "'pageview' | 'custom_event' | 'performance' | 'outbound' | 'error'"
    assert refuse(type=value) == {"type": [f"Invalid enum value. Expected {expected}, received {shown}"]}


def test_a_long_or_odd_type_is_shown_cut_and_cleaned() -> None:
    message = refuse(type="\u202e\x07" + "x" * 3000)["type"][0]
    assert message.endswith(f"received '??{'x' * 62}…'")


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("1", "1"),
        ("0", "0"),
        ("007", "7"),
        ("000", "0"),
        (7, "7"),
        (7.0, "7"),
        (0, "0"),
        ("a1b2c3d4e5f6", "a1b2c3d4e5f6"),
        ("A1B2C3D4E5F6", "a1b2c3d4e5f6"),
        ("000000000007", "000000000007"),
        ("9" * 19, "9" * 19),
        ("9" * 5000, "9" * 20),
        ("0" * 5000 + "7", "7"),
        (10**4000, "1" + "0" * 19),
        (1e300, "1" + "0" * 19),
    ],
)
def test_a_site_has_one_normal_form(sent: object, kept: str) -> None:
    assert parse(site_id=sent).site_id == kept


@pytest.mark.parametrize(
    "sent", ["", " 1", "1\n", "-1", "1.0", "x", "a1b2c3d4e5f", "a1b2c3d4e5f67", "g1b2c3d4e5f6", "١", -1, 1.5]
)
def test_what_names_no_site_is_refused(sent: object) -> None:
    assert refuse(site_id=sent) == {"site_id": [BAD_SITE]}


def test_the_site_is_required() -> None:
    assert refusal_of(b"{}").details() == {"fieldErrors": {"site_id": ["Required"]}, "formErrors": []}


@pytest.mark.parametrize(("sent", "kept"), [(1, 1), (2**31 - 1, 2**31 - 1), (1920.0, 1920), (1e3, 1000)])
def test_a_screen_size_is_a_whole_number(sent: float, kept: int) -> None:
    width = parse(screenWidth=sent).screen_width
    assert (width, type(width)) == (kept, int)


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (0, "Number must be greater than 0"),
        (-1, "Number must be greater than 0"),
        (2**31, "Number must be less than or equal to 2147483647"),
        (10**4000, "Number must be less than or equal to 2147483647"),
        (1e300, "Number must be less than or equal to 2147483647"),
        (1.5, FLOAT_FOR_INTEGER),
    ],
)
def test_a_screen_size_has_limits(sent: float, message: str) -> None:
    assert refuse(screenHeight=sent) == {"screenHeight": [message]}
    assert refuse(screenWidth=sent) == {"screenWidth": [message]}


@pytest.mark.parametrize("name", VITALS)
def test_a_vital_is_a_finite_number_from_zero_up_or_null(name: str) -> None:
    for value in (None, 0, 0.0, 12, 1e308):
        assert getattr(parse(type="performance", **{name: value}), name) == value
    negative = refuse(type="performance", **{name: -0.001})
    assert negative == {name: ["Number must be greater than or equal to 0"]}
    infinite = refusal_of(b'{"site_id": "1", "type": "performance", "%s": 1e999}' % name.encode())
    assert infinite.field_errors == {name: ["Number must be finite"]}


@pytest.mark.parametrize("name", VITALS)
@pytest.mark.parametrize("value", [1, None])
def test_only_performance_events_have_vitals(name: str, value: int | None) -> None:
    assert refuse(**{name: value}) == {name: ["Only performance events have this field"]}


@pytest.mark.parametrize(
    "address", ["1.2.3.4", "255.255.255.255", "::1", "::ffff:1.2.3.4", "2001:DB8:0:0:0:0:0:1"]
)
def test_an_address_is_kept_as_given(address: str) -> None:
    assert parse(ip_address=address).ip_address == address


@pytest.mark.parametrize(
    "address",
    ["", "1.2.3", "1.2.3.256", "01.2.3.4", " 1.2.3.4", "1.2.3.4/24", "[::1]", "fe80::1%eth0", ":::", "x"],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    assert refuse(ip_address=address) == {"ip_address": ["Must be an IPv4 or IPv6 address"]}


@pytest.mark.parametrize(
    ("sent", "milliseconds"),
    [
        ("2000-01-01T00:00:00Z", 946_684_800_000),
        ("2000-01-01", 946_684_800_000),
        ("2000-01-01T01:00:00+01:00", 946_684_800_000),
        ("2024-06-01T12:00", 1_717_243_200_000),
        ("2024-06-01 12:00:00", 1_717_243_200_000),
        ("2024-06-01T12:00:00.123456789Z", 1_717_243_200_123),
        ("2024-06-01T12:00:00,9999", 1_717_243_200_999),
        ("2024-06-01T07:00:00-0500", 1_717_243_200_000),
        ("2024-06-01T14:00:00+02", 1_717_243_200_000),
        ("2024-02-29T00:00:00Z", 1_709_164_800_000),
        (NOW_ISO_PLUS_5, NOW + 300_000),
        (946_684_800_000, 946_684_800_000),
        (NOW + 300_000, NOW + 300_000),
        (NOW + 300_000.5, NOW + 300_000),
        (1_717_243_200_123.9, 1_717_243_200_123),
    ],
)
def test_a_time_becomes_milliseconds(sent: object, milliseconds: int) -> None:
    kept = parse(timestamp=sent).timestamp
    assert (kept, type(kept)) == (milliseconds, int)


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ("1999-12-31T23:59:59.999Z", BAD_RANGE),
        ("2000-01-01T00:59:59+01:00", BAD_RANGE),
        ("0001-01-01T00:00:00+23:59", BAD_RANGE),
        ("9999-12-31T23:59:59-23:59", BAD_RANGE),
        ("2025-11-22T02:41:40.001Z", BAD_RANGE),
        (946_684_799_999, BAD_RANGE),
        (946_684_799_999.9, BAD_RANGE),
        (NOW + 300_001, BAD_RANGE),
        (1_717_243_200, BAD_RANGE),
        (-1, BAD_RANGE),
        (10**4000, BAD_RANGE),
        (1e300, BAD_RANGE),
        ("", BAD_TIME),
        ("now", BAD_TIME),
        ("1717243200000", BAD_TIME),
        ("2023-02-29", BAD_TIME),
        ("2024-06-01x12:00:00", BAD_TIME),
        ("2024-W22-6", BAD_TIME),
        ("2024-06-01T25:00:00Z", BAD_TIME),
        ("2024-06-01T12:00:60Z", BAD_TIME),
        ("2024-06-01T12:00:00+25:00", BAD_TIME),
        ("2024-06-01T12:00:00Z\n", BAD_TIME),
        ("２０２４-06-01", BAD_TIME),
        ("1" * 3000, BAD_TIME),
    ],
)
def test_a_time_out_of_range_or_shape_is_refused(sent: object, message: str) -> None:
    assert refuse(timestamp=sent) == {"timestamp": [message]}


def test_an_infinite_time_is_refused() -> None:
    refused = refusal_of(b'{"site_id": "1", "timestamp": 1e999}')
    assert refused.field_errors == {"timestamp": [BAD_RANGE]}


@pytest.mark.parametrize(
    "text", ["{}", "5", "null", '"x"', '{"a": {"b": [1e999]}}', '{"a": 1, "a": 2}', " [] "]
)
def test_properties_may_be_any_json(text: str) -> None:
    event = parse(type="custom_event", event_name="n", properties=text)
    assert event.properties == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "{'a': 1}",
        "[1,]",
        "NaN",
        '{"a": Infinity}',
        "[-Infinity]",
        "{} {}",
        '"\n"',
        "[" * 2000,
        "\ufeff{}",
    ],
)
def test_properties_must_be_json(text: str) -> None:
    assert refuse(properties=text) == {"properties": [BAD_JSON]}


def padded(members: dict[str, str], length: int) -> str:
    """JSON of exactly this length."""
    text = json.dumps({**members, "pad": ""})
    return text[:-2] + "x" * (length - len(text)) + text[-2:]


@pytest.mark.parametrize(
    ("fields", "members", "limit"),
    [
        ({}, {}, 2048),
        ({"type": "custom_event", "event_name": "n"}, {}, 2048),
        ({"type": "performance"}, {}, 2048),
        ({"type": "outbound"}, {"url": "https://example.org"}, 2048),
        ({"type": "error", "event_name": "n"}, {"message": "m"}, 4096),
    ],
)
def test_properties_end_at_the_limit_of_the_type(
    fields: dict[str, str], members: dict[str, str], limit: int
) -> None:
    assert parse(**fields, properties=padded(members, limit)).properties == padded(members, limit)
    too_long = {"properties": [f"String must contain at most {limit} character(s)"]}
    assert refuse(**fields, properties=padded(members, limit + 1)) == too_long


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org",
        "HTTP://EXAMPLE.org:8080/a?b=c#d",
        "https://[2001:db8::1]/",
        "https://user:pass@bücher.example/'\"\n<x>",
        "mailto:a@example.org",
        "tel:+491234",
    ],
)
def test_an_outbound_event_takes_absolute_urls(url: str) -> None:
    event = parse(**outbound(url=url, text="", target=None, more=[1]))
    assert json.loads(event.properties or "")["url"] == url


@pytest.mark.parametrize(
    "url",
    ["", "example.org", "/path", "//example.org/x", "https://", "https:///x", "https://a b/", "https://[::1",
     "https://a:99999/", "https://a:b/", "https://a\\b/", "mailto:", 5, ["https://a"], True],
)  # fmt: skip
def test_an_outbound_event_takes_nothing_else(url: object) -> None:
    assert refuse(**outbound(url=url)) == {"properties": ["url must be a valid URL"]}


@pytest.mark.parametrize(
    ("fields", "messages"),
    [
        ({"type": "outbound"}, ["Required for outbound events"]),
        ({"type": "error", "event_name": "n"}, ["Required for error events"]),
        (outbound(), ["url is required for outbound events"]),
        (outbound(url=None), ["url is required for outbound events"]),
        (outbound(text=1, target=[]), ["url is required for outbound events", "text must be a string",
                                       "target must be a string"]),
        ({"type": "outbound", "properties": "[1]"}, ["Expected object, received array"]),
        ({"type": "outbound", "properties": "null"}, ["Expected object, received null"]),
        ({"type": "outbound", "properties": "{"}, ["Must be valid JSON without repeated keys"]),
        ({"type": "outbound", "properties": '{"url": "javascript:1", "url": "https://a"}'},
         ["Must be valid JSON without repeated keys"]),
        (error(), ["message is required for error events"]),
        (error(message=5), ["message must be a string"]),
        (error(message="m", stack=1), ["stack must be a string"]),
        (error(message="m", fileName={}), ["fileName must be a string"]),
        (error(message="m", lineNumber="1"), ["lineNumber must be a number"]),
        (error(message="m", lineNumber=True), ["lineNumber must be a number"]),
        (error(message="m", columnNumber=[1]), ["columnNumber must be a number"]),
        ({**error(), "properties": '{"message": "m", "lineNumber": 1e999}'}, ["lineNumber must be a number"]),
    ],
)  # fmt: skip
def test_outbound_and_error_events_have_known_members(fields: dict[str, Any], messages: list[str]) -> None:
    assert refuse(**fields) == {"properties": messages}


@pytest.mark.parametrize(
    "members",
    [
        {"message": ""},
        {"message": "m", "stack": "s", "fileName": "f", "lineNumber": 1, "columnNumber": 2.5, "more": {}},
        {"message": "m", "stack": None, "fileName": None, "lineNumber": None, "columnNumber": -1},
    ],
)
def test_an_error_event_takes_what_browsers_report(members: dict[str, Any]) -> None:
    assert parse(**error(**members)).properties == json.dumps(members)


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


@pytest.mark.parametrize("name", [*TEXT_LIMITS, "site_id", "type", "ip_address", "properties", "timestamp"])
@pytest.mark.parametrize("escape", ["\\u0000", "\\ud800", "\\uDFFF", "\\ude00\\ud83d"])
def test_nul_and_lone_surrogates_are_refused_everywhere(name: str, escape: str) -> None:
    refused = refusal_of(f'{{"site_id": "1", "{name}": "1{escape}"}}'.encode())
    assert refused.field_errors.keys() == {name}
    assert NOT_STORABLE in refused.field_errors[name]


@pytest.mark.parametrize("text", ['"\\u0000"', '{"\\ud800": 1}', '[[{"a": "x\\udc00"}]]', '{"\\u0000": {}}'])
def test_escapes_inside_properties_are_seen_too(text: str) -> None:
    assert refuse(properties=text) == {"properties": [NOT_STORABLE]}
    # The same text with its backslash written as an escape of its own.
    hidden = json.dumps(text).replace("\\\\", "\\u005c")
    refused = refusal_of(f'{{"site_id": "1", "properties": {hidden}}}'.encode())
    assert refused.field_errors == {"properties": [NOT_STORABLE]}


@pytest.mark.parametrize("text", ['"\\ud83d\\ude00"', '{"a\\\\u0000": "\\\\ud800"}', '"\\u00e9"'])
def test_harmless_escapes_stay(text: str) -> None:
    assert parse(properties=text, page_title="\\u0000 😀").properties == text


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
        parse().site_id = "2"  # type: ignore[misc]


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
