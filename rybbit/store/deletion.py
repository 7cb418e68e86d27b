"""Deleting a site's or a visitor's events: true at once, and gone from disk within two hours.

The tombstone hides the events from every reader and keeps the mover from storing those still on their
way; the rewriting of the store (`EventStore.rewrite`) removes the data and then the tombstone.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from rybbit.errors import Conflict, Unavailable
from rybbit.store.loads import LoadFolder
from rybbit.store.tombstones import Tombstones


class Forgetter(Protocol):
    """Knows something of sites and visitors beside the events themselves."""

    def forget_site(self, site_id: int) -> None:
        """Remove all that is known of a site."""

    def forget_visitor(self, site_id: int, user_hash: int, *, name: str = "") -> None:
        """Remove all that is known of a visitor; `name` is what they are called, if somebody said."""


class IdGiver(Forgetter, Protocol):
    """Gives events their ids, and keeps their sessions."""

    def last_id(self) -> int:
        """The greatest id given so far."""


class Deletion:
    """Deletes events of one instance; any process may do it."""

    def __init__(
        self,
        tombstones: Tombstones,
        receipts: IdGiver,
        further: Sequence[Forgetter] = (),
        loads: LoadFolder | None = None,
    ) -> None:
        self._tombstones = tombstones
        self._receipts = receipts
        self._further = further
        self._loads = loads

    def delete_site(self, site_id: int) -> None:
        """Delete every event of a site, those under way included; its number must never be used again."""
        with self.deleting_site(site_id):
            pass

    @contextmanager
    def deleting_site(self, site_id: int) -> Iterator[None]:
        """The same, while the body makes it final; if that fails, the events are there as before.

        A crash in between leaves a site without events, never events without a site.

        Raises:
            Unavailable: nothing can be written now.
        """
        try:
            tombstone = self._tombstones.add(site_id)
        except OSError as error:
            raise Unavailable("The site cannot be deleted at the moment") from error
        try:
            for forgetter in (self._receipts, *self._further):
                forgetter.forget_site(site_id)
            yield
        except BaseException:
            self._tombstones.withdraw(tombstone)
            raise

    def delete_visitor(self, site_id: int, user_hash: int, *, name: str = "") -> None:
        """Delete the events of a visitor received so far; later ones are a new visitor's first.

        Raises:
            Conflict: an import is not finished, which would bring them back.
            Unavailable: nothing can be written now.
        """
        if self._loads is not None and self._loads.unfinished(site_id):
            raise Conflict(
                "An import into this site is not finished: run it again to its end,"
                " or end it with `rybbit import --give-up`"
            )
        self._receipts.forget_visitor(site_id, user_hash)
        try:
            self._tombstones.add(site_id, user_hash=user_hash, last_id=self._receipts.last_id())
        except OSError as error:
            raise Unavailable("The visitor cannot be erased at the moment") from error
        for forgetter in self._further:
            forgetter.forget_visitor(site_id, user_hash, name=name)
