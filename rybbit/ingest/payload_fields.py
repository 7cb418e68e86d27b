"""The fields of an event as clients send them, each with its type and limits."""

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    PlainValidator,
    StringConstraints,
    ValidationInfo,
)
from pydantic_core.core_schema import CoreSchema, NullableSchema

from rybbit.ingest.exclusions import normalise_address
from rybbit.ingest.payload_details import check_properties
from rybbit.ingest.payload_messages import json_type, refused

EARLIEST_MS = 946_684_800_000  # 2000-01-01T00:00:00Z
FUTURE_MS = 5 * 60 * 1000
LARGEST_SCREEN = 2**31 - 1

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
# `fromisoformat` reads more than this: week dates, any character for the T.
_ISO_8601 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]{1,9})?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?)?"
)
_SITE_ID_TEXT = re.compile(r"[0-9a-fA-F]{12}|[0-9]+")
# One digit more than the largest 64-bit number: no site has it, and nobody after us meets a longer one.
_SITE_NUMBER_DIGITS = 20


def read_site_id(value: object) -> str | None:
    """The normal form of a site identifier: 12 lower-case hex digits or a number without leading zeros.

    None if it is neither. A number too large for any site is cut, and stays too large.
    """
    if isinstance(value, str):
        if not _SITE_ID_TEXT.fullmatch(value):
            return None
        return value.lower() if len(value) == 12 else (value.lstrip("0") or "0")[:_SITE_NUMBER_DIGITS]
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return str(min(value, 10 ** (_SITE_NUMBER_DIGITS - 1)))
    return None


def _check_site_id(value: object) -> str:
    site_id = read_site_id(value)
    if site_id is not None:
        return site_id
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        raise refused("Must be the number of a site or its 12-digit hexadecimal id")
    raise refused(f"Expected string, received {json_type(value)}")


def _check_address(text: str) -> str:
    # A zone is refused, too: it means something on the sender's machine only.
    if normalise_address(text) is None or text != text.strip():
        raise refused("Must be an IPv4 or IPv6 address")
    return text


def _read_timestamp(value: object, info: ValidationInfo) -> int:
    """Milliseconds since 1970, rounded down; the validation context is the time of receipt."""
    if isinstance(value, str):
        moment = _iso_to_ms(value)
        if moment is None:
            raise refused("Expected an ISO 8601 time or milliseconds since 1970")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        moment = math.floor(value) if abs(value) < math.inf else 0
    else:
        raise refused(f"Expected string or number, received {json_type(value)}")
    if not EARLIEST_MS <= moment <= cast(int, info.context) + FUTURE_MS:
        raise refused("Must be between 2000-01-01 and 5 minutes from now")
    return moment


def _iso_to_ms(text: str) -> int | None:
    if not _ISO_8601.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // _MILLISECOND


def _whole(value: object) -> object:
    """JSON has one type of numbers: 1920.0 is the integer 1920."""
    if isinstance(value, float):
        if not value.is_integer():
            raise refused("Expected integer, received float")
        return int(value)
    return value


def _only_for_performance(value: float | None, info: ValidationInfo) -> float | None:
    if info.data.get("type", "performance") != "performance":
        raise refused("Only performance events have this field")
    return value


def _check_properties(text: str, info: ValidationInfo) -> str:
    check_properties(text, info.data.get("type"))
    return text


@dataclass(frozen=True)
class _NotNull:
    """Marks `X | None` as: may be left out, and is None then, but is never sent as null."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        nullable = cast(NullableSchema, handler(source))
        return nullable["schema"]


EventType = Literal["pageview", "custom_event", "performance", "outbound", "error"]
_Text = Annotated[str | None, _NotNull()]
_Trimmed = Annotated[_Text, StringConstraints(strip_whitespace=True, max_length=255)]
_Pixels = Annotated[int | None, _NotNull(), Field(gt=0, le=LARGEST_SCREEN), BeforeValidator(_whole)]
_Vital = Annotated[float | None, Field(ge=0, allow_inf_nan=False), AfterValidator(_only_for_performance)]


class Event(BaseModel):
    """One event as its sender described it: checked, in normal form, not yet enriched.

    `site_id` is the text of a number or 12 lower-case hex digits, `timestamp` milliseconds since 1970;
    what was not sent is None. Nothing here says yet that the site or the key exists. Made by the functions
    of `payload`, which hand the time of receipt to the validation.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    # The rules of the later fields look at the type, so it stands before them.
    type: EventType = "pageview"
    site_id: Annotated[str, PlainValidator(_check_site_id)]
    api_key: _Text = Field(None, max_length=64)
    pathname: _Text = Field(None, max_length=2048)
    hostname: _Text = Field(None, max_length=253)
    page_title: _Text = Field(None, max_length=512)
    referrer: _Text = Field(None, max_length=2048)
    user_id: Annotated[_Trimmed, AfterValidator(lambda text: text or None)] = None
    user_agent: _Text = Field(None, max_length=512)
    ip_address: Annotated[_Text, Field(max_length=45), AfterValidator(_check_address)] = None
    querystring: _Text = Field(None, max_length=2048)
    language: _Text = Field(None, max_length=35)
    screen_width: _Pixels = Field(None, alias="screenWidth")
    screen_height: _Pixels = Field(None, alias="screenHeight")
    event_name: _Text = Field(None, min_length=1, max_length=256)
    properties: Annotated[_Text, AfterValidator(_check_properties)] = None
    lcp: _Vital = None
    cls: _Vital = None
    inp: _Vital = None
    fcp: _Vital = None
    ttfb: _Vital = None
    timestamp: Annotated[int | None, PlainValidator(_read_timestamp)] = None
    event_id: _Text = Field(None, min_length=1, max_length=64)


class BatchBody(BaseModel):
    """The outer object of a batch; its events are checked one by one, later."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    api_key: _Text = Field(None, max_length=64)
    site_id: Annotated[str | None, PlainValidator(_check_site_id)] = None
    events: list[Any] = Field(min_length=1, max_length=500)
