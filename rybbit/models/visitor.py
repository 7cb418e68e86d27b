"""What visitor ids are salted with."""

from datetime import date

from sqlalchemy import LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from rybbit.extensions import Base


class DaySalt(Base):
    """The random salt of one UTC day; once it is deleted, that day's visitors are nobody's any more."""

    __tablename__ = "rybbit_salt"

    day: Mapped[date] = mapped_column(primary_key=True)
    salt: Mapped[bytes] = mapped_column(LargeBinary(32))
