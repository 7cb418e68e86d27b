"""The field `properties`: JSON within JSON, and what outbound and error events must say in it."""

import json
from typing import Any

import pytest

from rybbit.ingest.payload import Event, InvalidPayload, parse_event

NOW = 1_763_779_000_000
NOT_STORABLE = "Must not contain NUL characters or lone surrogates"
BAD_JSON = "Must be valid JSON"


def parse(**fields: Any) -> Event:
    return parse_event(json.dumps({"site_id": "1", **fields}).encode(), now_ms=NOW)


def refuse(**fields: Any) -> dict[str, list[str]]:
    with pytest.raises(InvalidPayload) as caught:
        parse(**fields)
    assert caught.value.form_errors == []
    return caught.value.field_errors


def outbound(**members: Any) -> dict[str, Any]:
    return {"type": "outbound", "properties": json.dumps(members)}


def error(**members: Any) -> dict[str, Any]:
    return {"type": "error", "event_name": "TypeError", "properties": json.dumps(members)}


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


@pytest.mark.parametrize("text", ['"\\u0000"', '{"\\ud800": 1}', '[[{"a": "x\\udc00"}]]', '{"\\u0000": {}}'])
def test_escapes_inside_properties_are_seen_too(text: str) -> None:
    assert refuse(properties=text) == {"properties": [NOT_STORABLE]}
    # The same text with its backslash written as an escape of its own.
    hidden = json.dumps(text).replace("\\\\", "\\u005c")
    with pytest.raises(InvalidPayload) as caught:
        parse_event(f'{{"site_id": "1", "properties": {hidden}}}'.encode(), now_ms=NOW)
    assert caught.value.field_errors == {"properties": [NOT_STORABLE]}


@pytest.mark.parametrize("text", ['"\\ud83d\\ude00"', '{"a\\\\u0000": "\\\\ud800"}', '"\\u00e9"'])
def test_harmless_escapes_stay(text: str) -> None:
    assert parse(properties=text, page_title="\\u0000 😀").properties == text
