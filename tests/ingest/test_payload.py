"""The fields of an event: each at its limits, with every JSON type, with every message."""

import json
from typing import Any

import pytest

from rybbit.ingest.payload import Event, InvalidPayload, parse_event

NOW = 1_763_779_000_000
NOW_ISO_PLUS_5 = "2025-11-22T02:41:40Z"
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
BAD_RANGE = "Must be between 2000-01-01 and 5 minutes from now"
BAD_TIME = "Expected an ISO 8601 time or milliseconds since 1970"
BAD_SITE = "Must be the number of a site or its 12-digit hexadecimal id"
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


JSON_TYPES: list[tuple[object, str]] = [
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
