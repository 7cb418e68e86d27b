"""Events that were refused or filtered, counted."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from rybbit.extensions import Base
from rybbit.models.columns import UtcDateTime, text_enum

RULE_LENGTH = 255


class Reason(StrEnum):
    """Why an event was not stored, or not stored again."""

    INVALID_PAYLOAD = "invalid_payload"
    INVALID_KEY = "invalid_key"
    RATE_LIMIT = "rate_limit"
    ORIGIN = "origin"
    FORBIDDEN_FIELD = "forbidden_field"
    BOT = "bot"
    IP = "ip"
    COUNTRY = "country"
    DUPLICATE = "duplicate"
    UNAVAILABLE = "unavailable"


class Drop(Base):
    """How many events of a site fell to one rule in one hour (UTC).

    `rule` says which one: the pattern, the field, the origin; it may hold hostile text. There is no
    foreign key: a late count of a site that was just deleted must not spoil those of the others.
    """

    __tablename__ = "rybbit_drop"

    site_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    reason: Mapped[Reason] = mapped_column(text_enum(Reason, length=32), primary_key=True)
    rule: Mapped[str] = mapped_column(String(RULE_LENGTH), primary_key=True)
    hour: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)
