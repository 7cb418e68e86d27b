"""Reading control data outside of a Flask request."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from rybbit.errors import Unavailable

logger = logging.getLogger(__name__)


@contextmanager
def control_session(engine: Engine) -> Iterator[Session]:
    """A session on the control database; a failure of the database becomes `Unavailable`."""
    try:
        with Session(engine) as session:
            yield session
    except SQLAlchemyError as error:
        # The message of the error holds statements and values; its kind is enough for a log.
        logger.warning("The control database does not answer: %s", type(error).__name__)
        raise Unavailable("The control database does not answer") from error
