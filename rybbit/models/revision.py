"""A number that tells every worker whether what it remembers of the control data still holds."""

from typing import Any

from sqlalchemy import BigInteger, event
from sqlalchemy.orm import Mapped, Session, mapped_column, scoped_session

from rybbit.extensions import Base, db
from rybbit.models.columns import insert_for
from rybbit.models.key import Key
from rybbit.models.organization import Member, Organization
from rybbit.models.site import Site, SiteMember

_WATCHED = (Site, SiteMember, Key, Member, Organization)
_ROW = 1


class Revision(Base):
    """One row, whose `number` grows in every transaction that changes what tracking depends on.

    Whoever caches reads the number first and the data afterwards; so the data may be newer than the
    number says, which costs one needless reading, but never older.
    """

    __tablename__ = "rybbit_revision"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(BigInteger)


def bump_revision(session: Session | scoped_session[Any]) -> None:
    """Raise the number in the session's transaction; needed after statements that go past the ORM.

    The row stays locked until the transaction ends, so two changes of control data wait for each
    other: what is read after this call holds until the commit.
    """
    connection = session.connection()
    insert = insert_for(connection.dialect.name, Revision).values(id=_ROW, number=1)
    connection.execute(
        insert.on_conflict_do_update(
            index_elements=[Revision.id], set_={Revision.number: Revision.number + 1}
        )
    )


def _is_watched_change(session: Session, row: object) -> bool:
    return isinstance(row, _WATCHED) and session.is_modified(row)


@event.listens_for(db.session, "before_flush")
def _bump_before_flush(session: Session, context: Any, instances: Any) -> None:
    added_or_gone = any(isinstance(row, _WATCHED) for row in (*session.new, *session.deleted))
    if added_or_gone or any(_is_watched_change(session, row) for row in session.dirty):
        bump_revision(session)
